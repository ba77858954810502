"""The environment variables about trust and identity, and what a run does with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import cli
from mtls_run.doctor.findings import finding, from_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import nested
from mtls_run.output import shown_word
from mtls_run.roots import bundle
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
_OF_MTLS_RUN = ("MTLS_RUN_PROFILE", "MTLS_RUN_CONFIG", "MTLS_RUN_HANDOFF", "MTLS_RUN_DISABLE")
_OF_ENVIRONMENT_ROOTS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_IDENTITY = "(identity)"  # in place of a path that only a run makes
_SHOWN = (
    *_OF_MTLS_RUN,
    *_FILES,
    "SSL_CERT_DIR",
    *_IDENTITIES,
    "UV_NATIVE_TLS",
    "UV_SYSTEM_CERTS",
)


def rows(environ: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row for each variable that is set."""
    for name in _SHOWN:
        if environ.get(name):
            yield row("variable", f"{name}={shown_word(environ[name])}")


def of_mtls_run(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield findings about mtls-run's own variables."""
    handoff = environ.get("MTLS_RUN_HANDOFF")
    try:
        if handoff:
            cli.check_handoff(handoff, "MTLS_RUN_HANDOFF")
        disabled = cli.disabled(environ)
    except MtlsRunError as error:
        yield from_error(error)
        return
    if disabled:
        yield finding(
            "disabled",
            "MTLS_RUN_DISABLE=1: every tool runs unchanged, whatever profile applies",
            "unset MTLS_RUN_DISABLE",
            origin="MTLS_RUN_DISABLE",
        )


def expected_files(roots: Roots, *, has_identity: bool) -> TlsFiles:
    """Return the files that a run would hand to the tool, without making them."""
    return TlsFiles(
        identity=_IDENTITY if has_identity else None,
        bundle=bundle.expected(roots),
        native=roots.native,
    )


def replaced(
    profile: Profile, roots: Roots | None, environ: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield a finding if variables contradict the profile, with what becomes of each."""
    if roots is None or environ.get(nested.VARIABLE):
        return  # inside mtls-run, it set these variables itself
    files = expected_files(roots, has_identity=profile.client_cert is not None)
    unchanged = set(variables.set_for_uv(environ) if profile.yields else ())
    if profile.roots.value == "environment":
        unchanged |= set(_OF_ENVIRONMENT_ROOTS)
    of_profile = {str(path) for path in roots.added}
    if profile.client_cert is not None:
        of_profile.add(str(profile.client_cert.value))
    changes = []
    for name, value in variables.for_all(files, environ).items():
        old = environ.get(name)
        if old and old not in (value, *of_profile) and name not in unchanged:
            changes.append(f"{name}={shown_word(old)} {'unset' if value is None else 'replaced'}")
    if changes:
        yield finding(
            "variable-replaced",
            f"{profile.label} contradicts variables, so for the tools: {', '.join(changes)}",
            "do nothing if the profile is right; without mtls-run, pip and uv obey the variables",
            origin=profile.origin,
        )


def broken(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the variables that name a missing file, where no profile replaces them."""
    for name in (*_FILES, *_IDENTITIES):
        value = environ.get(name)
        if value and not os.path.exists(value):  # any value: pathlib may raise
            yield _broken(name, value)
    value = environ.get("SSL_CERT_DIR")
    if value and not any(Path(part).is_dir() for part in value.split(os.pathsep) if part):
        yield _broken("SSL_CERT_DIR", value)


def _broken(name: str, value: str) -> Finding:
    return finding(
        "variable-broken",
        f"{name} names {value}, which does not exist; uv and pip then trust no server, or ignore "
        "the variable",
        f"unset {name}, or correct its path",
        origin=name,
    )
