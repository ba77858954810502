"""Variables that say something of trust or identity, and what becomes of them for the tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import cli, resolve
from mtls_run.doctor.findings import finding, of_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import nested
from mtls_run.output import shown_word
from mtls_run.roots import bundle as bundles
from mtls_run.tools import variables
from mtls_run.tools.tls_files import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.roots.resolve import Roots

_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_IDENTITIES = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT")
_OURS = ("MTLS_RUN_PROFILE", "MTLS_RUN_CONFIG", "MTLS_RUN_HANDOFF", "MTLS_RUN_DISABLE")
_OF_THE_ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def rows(environ: Mapping[str, str]) -> Iterator[Row]:
    """Yield the variables that are set and matter."""
    for name in (*_OURS, *_FILES, "SSL_CERT_DIR", *_IDENTITIES, "UV_NATIVE_TLS", "UV_SYSTEM_CERTS"):
        if environ.get(name):
            yield row("variable", f"{name}={shown_word(environ[name])}")


def own(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with mtls-run's own variables."""
    handoff = environ.get("MTLS_RUN_HANDOFF")
    try:
        if handoff:
            cli.check_handoff(handoff, "MTLS_RUN_HANDOFF")
        disabled = cli.disabled(environ)
    except MtlsRunError as error:
        yield of_error(error)
        return
    if disabled:
        yield finding(
            "disabled",
            "MTLS_RUN_DISABLE=1: every tool runs unchanged, whatever profile applies",
            "unset MTLS_RUN_DISABLE",
            origin="MTLS_RUN_DISABLE",
        )


def replaced(
    profile: Profile, roots: Roots | None, environ: Mapping[str, str], *, has_identity: bool
) -> Iterator[Finding]:
    """Yield what contradicts the profile, and what becomes of it."""
    if roots is None or environ.get(nested.VARIABLE):
        return  # inside an mtls-run these variables are its own
    identity = resolve.TO_COME if has_identity else None
    trust = TlsFiles(identity=identity, bundle=bundles.expected(roots), native=roots.native)
    kept = set(variables.set_for_uv(environ) if profile.yields else ())
    if profile.roots.value == "environment":
        kept |= set(_OF_THE_ENVIRONMENT)
    own_files = {str(path) for path in roots.added}
    if profile.client_cert is not None:
        own_files.add(str(profile.client_cert.value))
    said = []
    for name, value in variables.for_all(trust, environ).items():
        before = environ.get(name)
        if before and before not in (value, *own_files) and name not in kept:
            said.append(f"{name}={shown_word(before)} {'unset' if value is None else 'replaced'}")
    if said:
        yield finding(
            "variable-replaced",
            f"{profile.label} says otherwise than the environment, so for the tools there is: "
            f"{', '.join(said)}",
            "nothing, if the profile is right; without mtls-run, pip and uv follow the variables",
            origin=profile.origin,
        )


def broken(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the variables that name nothing, where no profile replaces them."""
    for name in (*_FILES, *_IDENTITIES):
        value = environ.get(name)
        if value and not os.path.exists(value):
            yield _broken(name, value)
    value = environ.get("SSL_CERT_DIR")
    if value and not any(Path(part).is_dir() for part in value.split(os.pathsep) if part):
        yield _broken("SSL_CERT_DIR", value)


def _broken(name: str, value: str) -> Finding:
    return finding(
        "variable-broken",
        f"{name} names {value}, which is not there; uv and pip then trust nobody, or all but that",
        f"unset {name}, or name what is there",
        origin=name,
    )
