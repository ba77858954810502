"""The hosts of the indexes that pip and uv use here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mtls_run.config import pip_settings
from mtls_run.config.origin import Setting
from mtls_run.config.scope import HTTPS_PORT, HostPattern, normalized_host
from mtls_run.errors import ConfigurationError, MtlsRunError
from mtls_run.tools import uv_indexes
from mtls_run.tools.base import PipScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.config.profile import Profile

    Hosts = tuple[HostPattern, ...]


def of_pip(settings: PipSettings) -> Setting[Hosts] | None:
    """Return the hosts of the indexes in pip's settings, or None where those name no index."""
    urls = _urls(settings)
    found = _hosts(urls)
    return Setting(found, urls[0].origin) if found else None


def missing(profile: Profile, environ: Mapping[str, str], directory: Path) -> ConfigurationError:
    """Return the error for a profile that names no hosts; its hint has those of the indexes."""
    urls: list[Setting[str]] = []
    with contextlib.suppress(MtlsRunError):  # doctor reports a broken file
        urls += _urls(pip_settings.read(environ, PipScope()))
    with contextlib.suppress(MtlsRunError):
        urls += uv_indexes.configured(environ, directory)
    shown = ", ".join(f'"{host}"' for host in _hosts(urls)) or '"pypi.corp.example"'
    where = f"[profiles.{profile.name}]" if profile.name else str(profile.origin)
    return ConfigurationError(
        f"the gateway shows a certificate to the hosts of its profile alone, and {profile.label} "
        "names none",
        hint=f"add to {where}: hosts = [{shown}]",
    )


def _urls(settings: PipSettings) -> list[Setting[str]]:
    return [url for url in (settings.index_url, *settings.extra_index_urls) if url is not None]


def covers(hosts: Iterable[str], url: str) -> bool:
    """Tell whether the URL's host and port are among `hosts`, as TlsFiles has them."""
    found = _host(url)
    patterns = map(HostPattern.parse, hosts)
    return found is not None and any(one.matches(found.name, found.port) for one in patterns)


def _hosts(urls: Iterable[Setting[str]]) -> Hosts:
    found = (_host(url.value) for url in urls)
    return tuple(dict.fromkeys(host for host in found if host is not None))


def _host(url: str) -> HostPattern | None:
    try:
        parts = urlsplit(url.strip())
        if parts.scheme == "https" and parts.hostname:
            return HostPattern(normalized_host(parts.hostname), parts.port or HTTPS_PORT)
    except ValueError:
        pass  # doctor reports it
    return None
