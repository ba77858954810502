"""The roots to verify servers by: what the profile means, or what pip and uv have by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from mtls_run.config.origin import DEFAULT, Setting
from mtls_run.config.profile import Profile
from mtls_run.doctor import tls
from mtls_run.doctor.findings import finding, of_error
from mtls_run.doctor.names import listed, named
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.identity import checks
from mtls_run.roots import certificates, stores
from mtls_run.roots import resolve as roots

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.roots.resolve import Roots


# With more it is a whole store, and not the CAs of one's own company.
_FEW = 20


@dataclass(frozen=True)
class Anchors:
    """`resolved` is what the run road would hand on; `roots` is None where there are none."""

    roots: tls.Roots | None
    label: str
    resolved: Roots | None = None
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()

    def called(self, name: x509.Name) -> tuple[x509.Certificate, ...]:
        """Return the certificates of this name, parsed."""
        if self.roots is None:
            return ()
        wanted = name.public_bytes()
        return tuple(
            one.to_cryptography()
            for one, its in zip(self.roots.certificates, self.roots.names)
            if its.der == wanted
        )


def examine(profile: Profile, environ: Mapping[str, str]) -> Anchors:
    """Return the profile's roots; nothing raises."""
    try:
        resolved = roots.resolve(profile, environ)
        ders = _ders(resolved)
    except MtlsRunError as error:
        return Anchors(None, "none", rows=(row("roots", "none"),), findings=(of_error(error),))
    findings = []
    count = _counted(len(ders))
    rows = [row("roots", f"{resolved}: {count}", profile.roots.origin)]
    for path in resolved.added:
        of_file, found = _added(path, profile)
        rows.append(of_file)
        findings += found
    is_snapshot = stores.verifier_is_native() and resolved.base == "system" and resolved.added
    if is_snapshot:
        findings.append(
            finding(
                "roots-snapshot",
                "the system's roots are handed on as they are now, with `ca-cert` added: what the "
                "system refuses beyond its list (a revoked CA) is not known to pip and uv",
                "nothing; where the CA is in the system's store, leave `ca-cert` away",
                origin=profile.roots.origin,
            )
        )
    ready = tls.Roots.of(ders)
    return Anchors(ready, f"{resolved}: {count}", resolved, tuple(rows), tuple(findings))


def by_themselves(environ: Mapping[str, str]) -> Anchors:
    """Return what the tools trust where no profile applies: the environment's, else the system's.

    pip adds certifi's, and uv has Mozilla's (the same list).
    """
    found: list[bytes] = []
    names = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if environ.get(name)]
    try:
        if names:
            profile = Profile(None, DEFAULT, roots=Setting("environment", DEFAULT))
            found = _ders(roots.resolve(profile, environ))
    except MtlsRunError:
        names = []  # said of the variable itself
    if not names:
        for base in ("system", "public"):
            try:
                profile = Profile(None, DEFAULT, roots=Setting(base, DEFAULT))
                found += _ders(roots.resolve(profile, environ))
            except MtlsRunError:
                continue
    label = " and ".join(names) if names else "the system's and certifi's"
    ders = list(dict.fromkeys(found))
    shown = row("roots", f"{label}: {_counted(len(ders))}", "no profile")
    return Anchors(tls.Roots.of(ders) if ders else None, label, rows=(shown,))


def _ders(resolved: Roots) -> list[bytes]:
    if resolved.bundle is not None:
        content = resolved.bundle.content
    elif resolved.file is not None:
        content = stores.read_bundle(resolved.file, "the system's roots")
    else:
        content = stores.system_content()
    return certificates.read_store(content, "the roots")


def _added(path: Path, profile: Profile) -> tuple[Row, list[Finding]]:
    assert profile.ca_cert is not None
    origin = profile.ca_cert.origin
    data = stores.read_bundle(path, "`ca-cert`", "ca-missing")
    ders = certificates.read_added(data, str(path), origin)
    parsed = [x509.load_der_x509_certificate(der) for der in ders]
    names = [named(one.subject) for one in parsed]
    now = checks.utc_now()
    ended = [one for one in parsed if one.not_valid_after_utc < now]
    found = []
    if ended:
        last = max(ended, key=lambda one: one.not_valid_after_utc)
        what = listed([named(one.subject) for one in ended])
        when = f"{last.not_valid_after_utc:%Y-%m-%d}"
        many = len(ended) > 1
        found.append(
            finding(
                "ca-expired",
                f"CA certificate{'s' if many else ''} in {path} expired: {what}"
                f" ({'the last ' if many else ''}on {when})",
                "put the renewed certificate in its place, or take it out",
                origin=origin,
                # A whole store always has some; of one's own few, each is meant.
                rank="warning" if len(parsed) <= _FEW else "note",
            )
        )
    return row("ca-cert", f"{path}: {listed(names)}", origin), found


def _counted(number: int) -> str:
    return f"{number} certificate{'' if number == 1 else 's'}"
