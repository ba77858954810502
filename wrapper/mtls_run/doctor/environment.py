"""The environment variables about trust and identity, and what a run does with them."""

from __future__ import annotations

import os

from mtls_run import cli
from mtls_run.config.profile import Profile
from mtls_run.doctor.inspection import Inspection
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import nested
from mtls_run.roots import bundle
from mtls_run.roots.resolve import Roots
from mtls_run.system.urls import without_passwords
from mtls_run.tools import registry
from mtls_run.tools.base import TlsFiles

_FILES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_IDENTITIES = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT")
_OF_MTLS_RUN = ("MTLS_RUN_PROFILE", "MTLS_RUN_CONFIG", "MTLS_RUN_HANDOFF", "MTLS_RUN_DISABLE")
_OF_ENVIRONMENT_ROOTS = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_IDENTITY = "(identity)"  # in place of a path that only a run makes
_SHOWN = (*_OF_MTLS_RUN, *_FILES, "SSL_CERT_DIR", *_IDENTITIES, "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")


def rows(here: Inspection) -> None:
    """Add a row for each variable that is set."""
    for name in _SHOWN:
        if here.environ.get(name):
            here.row("variable", f"{name}={without_passwords(here.environ[name])}")


def of_mtls_run(here: Inspection) -> None:
    """Add findings about mtls-run's own variables."""
    handoff = here.environ.get("MTLS_RUN_HANDOFF")
    try:
        if handoff:
            cli.check_handoff(handoff, "MTLS_RUN_HANDOFF")
        disabled = cli.disabled(here.environ)
    except MtlsRunError as error:
        here.error(error)
        return
    if disabled:
        here.finding(
            "disabled",
            "MTLS_RUN_DISABLE=1: every tool runs unchanged, whatever profile applies",
            "unset MTLS_RUN_DISABLE",
            origin="MTLS_RUN_DISABLE",
        )


def expected_files(profile: Profile, roots: Roots) -> TlsFiles:
    """Return the files that a run would hand to the tool, without making them."""
    return TlsFiles(
        identity=_IDENTITY if profile.client_cert is not None else None,
        bundle=bundle.expected(roots),
        native=roots.native,
    )


def replaced(profile: Profile, roots: Roots, here: Inspection) -> None:
    """Add a finding if variables contradict the profile, with what becomes of each."""
    if here.environ.get(nested.VARIABLE):
        return  # inside mtls-run, it set these variables itself
    unchanged = registry.ambient(here.environ) if profile.yields else set()
    if profile.roots.value == "environment":
        unchanged |= set(_OF_ENVIRONMENT_ROOTS)
    of_profile = {str(path) for path in roots.added}
    if profile.client_cert is not None:
        of_profile.add(str(profile.client_cert.value))
    changes = []
    for name, value in registry.shared_variables(
        expected_files(profile, roots), here.environ
    ).items():
        old = here.environ.get(name)
        if old and old not in (value, *of_profile) and name not in unchanged:
            changes.append(
                f"{name}={without_passwords(old)} {'unset' if value is None else 'replaced'}"
            )
    if changes:
        here.finding(
            "variable-replaced",
            f"{profile.label} contradicts variables, so for the tools: {', '.join(changes)}",
            "do nothing if the profile is right; without mtls-run, pip and uv obey the variables",
            origin=profile.origin,
        )


def broken(here: Inspection) -> None:
    """Add a finding for each variable that names a missing file, if no profile replaces it."""
    for name in (*_FILES, "SSL_CERT_DIR", *_IDENTITIES):
        value = here.environ.get(name)
        is_dir = name == "SSL_CERT_DIR"
        paths = value.split(os.pathsep) if value and is_dir else [value]
        exists = os.path.isdir if is_dir else os.path.exists
        if value and not any(path and exists(path) for path in paths):
            here.finding(
                "variable-broken",
                f"{name} names {value}, which does not exist; uv and pip then trust no server, or "
                "ignore the variable",
                f"unset {name}, or correct its path",
                origin=name,
            )
