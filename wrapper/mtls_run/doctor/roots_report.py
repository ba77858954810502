"""The roots to verify servers by: the profile's, or those that the tools use without a profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from mtls_run.config.origin import DEFAULT, Setting
from mtls_run.config.profile import Profile
from mtls_run.doctor.authorities import listed
from mtls_run.doctor.findings import finding, from_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.identity import checks
from mtls_run.net.certificates import TrustStore
from mtls_run.net.distinguished_names import of_name
from mtls_run.roots import certificates, stores
from mtls_run.roots.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.roots.resolve import Roots


# A file with more certificates is a whole root store, not a company's own CAs.
_MOST_OF_A_COMPANY = 20


@dataclass(frozen=True)
class RootsReport:
    """The roots. `resolved` is what a run would hand to the tool, `trusted` is None if none."""

    trusted: TrustStore | None
    label: str
    resolved: Roots | None = None
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()

    def with_subject(self, name: x509.Name) -> tuple[x509.Certificate, ...]:
        """Return the roots with this subject."""
        if self.trusted is None:
            return ()
        return tuple(
            certificate.to_cryptography()
            for certificate, subject in zip(self.trusted.certificates, self.trusted.names)
            if subject.der == name.public_bytes()
        )


def examine(profile: Profile, environ: Mapping[str, str]) -> RootsReport:
    """Return a report on the profile's roots; errors become findings."""
    try:
        resolved = resolve(profile, environ)
        ders = _ders(resolved)
    except MtlsRunError as error:
        return RootsReport(
            None, "none", rows=(row("roots", "none"),), findings=(from_error(error),)
        )
    label = f"{resolved}: {_count(len(ders))}"
    findings = []
    rows = [row("roots", label, profile.roots.origin)]
    for path in resolved.added:
        of_file, expired = _added(path, profile)
        rows.append(of_file)
        findings += expired
    if stores.verifier_is_native() and resolved.base == "system" and resolved.added:
        findings.append(
            finding(
                "roots-snapshot",
                "pip and uv get a copy of the system's roots with `ca-cert` added; what the system "
                "also rejects, such as a revoked CA, they do not know",
                "do nothing; or drop `ca-cert` if its CA is in the system's root store",
                origin=profile.roots.origin,
            )
        )
    return RootsReport(TrustStore.of(ders), label, resolved, tuple(rows), tuple(findings))


def without_profile(environ: Mapping[str, str]) -> RootsReport:
    """Return a report on what the tools trust without a profile: the environment's or the system's.

    pip adds certifi's roots, and uv has Mozilla's, which are the same list.
    """
    found: list[bytes] = []
    names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    try:
        if names:
            found = _ders(resolve(_profile("environment"), environ))
    except MtlsRunError:
        names = []  # reported with the variable
    if not names:
        for base in ("system", "public"):
            try:
                found += _ders(resolve(_profile(base), environ))
            except MtlsRunError:
                continue
    label = " and ".join(names) if names else "the system's and certifi's"
    ders = list(dict.fromkeys(found))
    shown = row("roots", f"{label}: {_count(len(ders))}", "no profile")
    return RootsReport(TrustStore.of(ders) if ders else None, label, rows=(shown,))


def _profile(base: str) -> Profile:
    return Profile(None, DEFAULT, roots=Setting(base, DEFAULT))


def _ders(resolved: Roots) -> list[bytes]:
    if resolved.bundle is not None:
        content = resolved.bundle.content
    elif resolved.file is not None:
        content = stores.read_bundle(resolved.file, "the system's roots")
    else:
        content = stores.system_content()
    return certificates.read_store(content, "the roots")


def _added(path: Path, profile: Profile) -> tuple[Row, list[Finding]]:
    """Return a row for a file of `ca-cert`, and a finding if certificates in it have expired."""
    assert profile.ca_cert is not None
    origin = profile.ca_cert.origin
    data = stores.read_bundle(path, "`ca-cert`", "ca-missing")
    ders = certificates.read_added(data, str(path), origin)
    parsed = [x509.load_der_x509_certificate(der) for der in ders]
    shown = row("ca-cert", f"{path}: {_subjects(parsed)}", origin)
    now = checks.utc_now()
    expired = [one for one in parsed if one.not_valid_after_utc < now]
    if not expired:
        return shown, []
    last = max(one.not_valid_after_utc for one in expired)
    if len(expired) > 1:
        fact = f"CA certificates in {path} expired, the last on {last:%Y-%m-%d}"
    else:
        fact = f"a CA certificate in {path} expired on {last:%Y-%m-%d}"
    found = finding(
        "ca-expired",
        f"{fact}: {_subjects(expired)}",
        "replace it with the renewed certificate, or remove it",
        origin=origin,
        # A whole root store always holds some. In a company's own file, each one is meant.
        rank="warning" if len(parsed) <= _MOST_OF_A_COMPANY else "note",
    )
    return shown, [found]


def _subjects(certificates: list[x509.Certificate]) -> str:
    return listed([of_name(one.subject) for one in certificates])


def _count(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
