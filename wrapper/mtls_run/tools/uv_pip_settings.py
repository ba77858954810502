"""Handing pip's own settings to `uv pip`, each where uv has a variable that means the same.

Tried with pip 21.3 and 26.3, and uv 0.2.11 to 0.13.9. What is set for uv already stays as it is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import quote

from mtls_run.config.pip_settings import expand_user
from mtls_run.net import hostname
from mtls_run.net.errors import NetworkError
from mtls_run.tools import pip_proxy, uv_indexes
from mtls_run.tools.base import HandedOver
from mtls_run.tools.uv_proxy import UvProxies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mtls_run.config.origin import Setting
    from mtls_run.config.pip_settings import PipSettings

# uv 0.11.33 reads the first of these that is set.
_TIMEOUTS = ("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT")
_RETRIES = "UV_HTTP_RETRIES"  # uv 0.4.30 does not know it
_FIND_LINKS = "UV_FIND_LINKS"
_REQUIRE_HASHES = "UV_REQUIRE_HASHES"
# The flags of `uv pip` by which the user says for uv what pip's option says for pip.
_FLAGS = {
    "no-index": ("--no-index",),
    "only-binary": ("--only-binary", "--no-build"),
    "no-binary": ("--no-binary",),
    "constraint": ("--constraint", "--constraints", "-c"),
    "trusted-host": ("--trusted-host", "--allow-insecure-host"),
    "find-links": ("--find-links", "-f"),
}


def handed_over(
    settings: PipSettings, arguments: Sequence[str], environ: Mapping[str, str], directory: Path
) -> HandedOver:
    """Return the variables that hand pip's settings to a call of `uv pip`, and what has none."""
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    variables: dict[str, str] = {}
    left_out: list[str] = []
    named = uv_indexes.named_for_uv(words, environ, directory)
    if named is None:
        variables.update(uv_indexes.variables(settings))
    if settings.proxy is not None:
        variables.update(_proxy(settings.proxy, words, environ, directory))
    if settings.find_links and not _is_said("find-links", words, environ):
        links = _find_links(settings.find_links, environ)
        if links is None:
            origin = settings.find_links[0].origin
            left_out.append(f"find-links ({origin}), because uv before 0.8 takes one link alone")
        else:
            variables[_FIND_LINKS] = links
    variables.update(_numbers(settings, environ))
    if settings.require_hashes is not None and _REQUIRE_HASHES not in environ:
        variables[_REQUIRE_HASHES] = "true"
    for name, setting in settings.others:
        if not _is_said(name, words, environ):
            why = (
                "because mtls-run never turns verification off"
                if name == "trusted-host"
                else "which uv takes as a flag alone"
            )
            left_out.append(f"{name} ({setting.origin}), {why}")
    return HandedOver(variables, named, tuple(left_out))


def _is_said(option: str, words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Tell whether a flag or a variable says this for uv already."""
    if environ.get("UV_" + option.upper().replace("-", "_")):
        return True
    return any(word.partition("=")[0] in _FLAGS[option] for word in words)


def _proxy(
    setting: Setting[str], words: Sequence[str], environ: Mapping[str, str], directory: Path
) -> dict[str, str]:
    """Return the variables that name pip's proxy to uv, unless a proxy is named for it already.

    uv has no variable of its own for a proxy. Its port is always written: without one, uv 0.7.22
    and newer take port 80 for SOCKS.
    """
    if UvProxies(environ, words, directory, None).is_configured:
        return {}
    try:
        found = pip_proxy.parse(setting.value, str(setting.origin))
    except NetworkError:
        return {}  # pip stops at it
    login = ""
    if found.password is not None:
        login = f"{quote(found.user, safe='')}:{quote(found.password.reveal(), safe='')}@"
    url = f"{found.scheme}://{login}{hostname.with_port(found.host, found.port)}"
    variables = {}
    for scheme in ("HTTPS_PROXY", "HTTP_PROXY"):
        set_by = (scheme, scheme.lower(), "ALL_PROXY", "all_proxy")
        if not any(environ.get(name) for name in set_by):
            variables[scheme] = url
    return variables


def _find_links(links: Sequence[Setting[str]], environ: Mapping[str, str]) -> str | None:
    """Return the value for uv, or None where there is none that each uv reads.

    uv 0.4.30 takes one link, uv 0.8.24 and newer a list with commas.
    """
    value = expand_user(links[0].value, environ)
    return value if len(links) == 1 and "," not in value else None


def _numbers(settings: PipSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for the timeout, in whole seconds, and for the number of retries.

    Both tools count the seconds in which nothing is received, and the tries after the first.
    """
    variables = {}
    if settings.timeout is not None and not any(environ.get(name) for name in _TIMEOUTS):
        try:
            seconds = math.ceil(float(settings.timeout.value))
        except (ValueError, OverflowError):
            seconds = 0  # pip stops at it
        if seconds > 0:
            variables[_TIMEOUTS[0]] = str(seconds)
    if settings.retries is not None and not environ.get(_RETRIES):
        text = settings.retries.value.strip()
        if text.isascii() and text.isdecimal() and len(text) < 6:  # noqa: PLR2004 - uv has 32 bits
            variables[_RETRIES] = text
    return variables
