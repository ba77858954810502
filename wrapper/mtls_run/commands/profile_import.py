"""`mtls-run profile import`: a profile from pip's settings, from uv's variables, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtls_run.commands import Context, profile_add, profile_google, profile_values
from mtls_run.config import pip_settings
from mtls_run.config.edit import Values
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError
from mtls_run.tools.base import PipScope


def import_(
    context: Context,
    name: str,
    source: str,
    *,
    hosts: Sequence[str] = (),
    default: bool,
    force: bool,
) -> None:
    """Add a profile from pip's settings, from uv's variables, or from the file `source`."""
    profile_values.spelled_name(name)
    values: Values
    if source == "pip":
        values, origins = _from_pip(context)
    elif source == "uv":
        values, origins = _from_uv(context)
    else:
        values, origins = _from_file(source)
    if hosts:
        values["hosts"] = list(hosts)
    keep = source not in ("pip", "uv")
    wish = profile_add.Wish(name, values, origins, default=default, force=force, keep=keep)
    profile_add.add(context, wish, asking=False)


def _from_file(source: str) -> tuple[Values, dict[str, Origin]]:
    path = profile_values.written(source)
    named = profile_google.read(Path(path).expanduser())
    if named is None:
        return {"client-cert": path}, {"client-cert": Origin("--from")}
    return named, dict.fromkeys(named, Origin(path))


def _from_pip(context: Context) -> tuple[Values, dict[str, Origin]]:
    found = pip_settings.read(context.environ, PipScope())
    named = {"client-cert": found.client_cert, "ca-cert": found.cert}
    settings = {key: setting for key, setting in named.items() if setting is not None}
    if not settings:
        raise ConfigurationError(
            "pip's settings name neither `cert` nor `client-cert`",
            hint="list pip's settings: pip config debug",
        )
    values = {key: profile_values.written(setting.value) for key, setting in settings.items()}
    return values, {key: setting.origin for key, setting in settings.items()}


def _from_uv(context: Context) -> tuple[Values, dict[str, Origin]]:
    """Return the values of uv's variables; with SSL_CERT_FILE, uv trusts no other root."""
    names = {"client-cert": "SSL_CLIENT_CERT", "ca-cert": "SSL_CERT_FILE"}
    found = {key: name for key, name in names.items() if context.environ.get(name)}
    if not found:
        raise ConfigurationError(
            "uv reads SSL_CLIENT_CERT and SSL_CERT_FILE, and neither is set",
            hint="set them as for uv, or name the files: mtls-run profile add",
        )
    values: Values = {
        key: profile_values.written(Path(context.environ[name])) for key, name in found.items()
    }
    origins = {key: Origin(name) for key, name in found.items()}
    if "ca-cert" in values:
        values["roots"], origins["roots"] = "none", Origin("SSL_CERT_FILE")
    return values, origins
