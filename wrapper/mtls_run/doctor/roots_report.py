"""The roots to verify servers by: the profile's, or those that the tools use without a profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config.origin import DEFAULT, Setting
from mtls_run.config.profile import Profile
from mtls_run.doctor.authorities import listed
from mtls_run.doctor.inspection import Inspection
from mtls_run.errors import MtlsRunError
from mtls_run.identity import checks
from mtls_run.net.certificates import TrustStore, of_name
from mtls_run.roots import certificates, stores
from mtls_run.roots.resolve import Roots, read_added, resolve

# A file with more certificates is a whole root store, not a company's own CAs.
_MOST_OF_A_COMPANY = 20


@dataclass(frozen=True)
class RootsReport:
    """The roots. `resolved` is what a run would hand to the tool. `trusted` is None if none."""

    trusted: TrustStore | None
    label: str
    resolved: Roots | None = None


def examine(profile: Profile, here: Inspection) -> RootsReport:
    """Return the profile's roots. Errors become findings."""
    try:
        resolved = resolve(profile, here.environ)
        ders = _ders(resolved)
    except MtlsRunError as error:
        here.row("roots", "none")
        here.error(error)
        return RootsReport(None, "none")
    label = f"{resolved}: {_count(len(ders))}"
    here.part("roots", str(resolved))
    here.row("roots", label, profile.roots.origin)
    for path in resolved.added:
        _added(path, profile, here)
    if stores.verifier_is_native() and resolved.base == "system" and resolved.added:
        here.finding(
            "roots-snapshot",
            "pip and uv get a copy of the system's roots with `ca-cert` added; what the system "
            "also rejects, such as a revoked CA, they do not know",
            "do nothing; or drop `ca-cert` if its CA is in the system's root store",
            origin=profile.roots.origin,
        )
    return RootsReport(TrustStore(ders), label, resolved)


def without_profile(here: Inspection) -> RootsReport:
    """Return what the tools trust without a profile: the environment's roots or the system's.

    pip adds certifi's roots, and uv has Mozilla's, which are the same list.
    """
    names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if here.environ.get(name)]
    ders = _ders_of("environment", here.environ) if names else []
    label = " and ".join(names)
    if not ders:  # a broken variable has its own finding
        label = "the system's and certifi's"
        ders = list(
            dict.fromkeys([*_ders_of("system", here.environ), *_ders_of("public", here.environ)])
        )
    here.part("roots", label)
    here.row("roots", f"{label}: {_count(len(ders))}", "no profile")
    return RootsReport(TrustStore(ders) if ders else None, label)


def _ders_of(base: str, environ: Mapping[str, str]) -> list[bytes]:
    """Return these roots, or none if they cannot be read."""
    try:
        return _ders(resolve(Profile(None, DEFAULT, roots=Setting(base, DEFAULT)), environ))
    except MtlsRunError:
        return []


def _ders(resolved: Roots) -> list[bytes]:
    if resolved.bundle is not None:
        content = resolved.bundle.content
    elif resolved.file is not None:
        content = stores.read_bundle(resolved.file, "the system's roots", Dependencies())
    else:
        content = stores.system_content(Dependencies())
    return certificates.read_store(content, "the roots")


def _added(path: Path, profile: Profile, here: Inspection) -> None:
    """Report a file of `ca-cert`, with a finding if certificates in it have expired."""
    assert profile.ca_cert is not None
    origin = profile.ca_cert.origin
    parsed = [x509.load_der_x509_certificate(der) for der in read_added(path, profile, origin)]
    here.row("ca-cert", f"{path}: {_subjects(parsed)}", origin)
    expired = [one for one in parsed if one.not_valid_after_utc < checks.utc_now()]
    if not expired:
        return
    last = max(one.not_valid_after_utc for one in expired)
    fact = f"a CA certificate in {path} expired on {last:%Y-%m-%d}"
    if len(expired) > 1:
        fact = f"CA certificates in {path} expired, the last on {last:%Y-%m-%d}"
    here.finding(
        "ca-expired",
        f"{fact}: {_subjects(expired)}",
        "replace it with the renewed certificate, or remove it",
        origin=origin,
        # A whole root store always holds some. In a company's own file, each one is meant.
        rank="warning" if len(parsed) <= _MOST_OF_A_COMPANY else "note",
    )


def _subjects(found: list[x509.Certificate]) -> str:
    return listed([of_name(one.subject) for one in found])


def _count(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
