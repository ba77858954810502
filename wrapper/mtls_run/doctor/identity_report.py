"""The identity: its files, their content, whether its key opens, and its certificate."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from mtls_run.doctor.authorities import subject_of
from mtls_run.doctor.findings import finding, from_error
from mtls_run.doctor.rows import row
from mtls_run.errors import MtlsRunError
from mtls_run.identity import chain, checks, extensions
from mtls_run.identity.material import gather
from mtls_run.net.distinguished_names import of_name
from mtls_run.output import quoted
from mtls_run.passphrase import keyring, unlock
from mtls_run.passphrase.sources import FromKeyring, describe
from mtls_run.system import ownership

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from cryptography.x509 import Certificate

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.rows import Row
    from mtls_run.identity.extensions import Extension
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.output import Reporter


@dataclass(frozen=True)
class IdentityReport:
    """A profile's identity, opened and checked, or whatever of it could be read."""

    identity: Identity | None = None
    material: KeyMaterial | None = None
    leaf: Certificate | None = None
    rows: tuple[Row, ...] = ()
    findings: tuple[Finding, ...] = ()


class _Inspection:
    """Rows and findings, gathered step by step; a step that fails does not stop the next."""

    def __init__(self, profile: Profile, environ: Mapping[str, str], reporter: Reporter) -> None:
        self.profile = profile
        self.environ = environ
        self.reporter = reporter
        self.now = checks.utc_now()
        self.rows: list[Row] = []
        self.findings: list[Finding] = []

    def report(self, notice_days: int) -> IdentityReport:
        material = None
        for what, setting in self._files():
            self._file(what, setting)
        try:
            material = gather(self.profile)
        except MtlsRunError as error:
            self.findings.append(from_error(error))
        opened = self._open(material) if material is not None else None
        leaf = opened.leaf if opened else _likely_leaf(material)
        if material is not None:
            self._key(material, opened)
        if leaf is not None:
            self._leaf(leaf, notice_days)
        return IdentityReport(opened, material, leaf, tuple(self.rows), tuple(self.findings))

    def _files(self) -> Iterator[tuple[str, Setting[Path]]]:
        for what, setting in (
            ("client-cert", self.profile.client_cert),
            ("client-key", self.profile.client_key),
        ):
            if setting is not None:
                yield what, setting

    def _file(self, what: str, setting: Setting[Path]) -> None:
        try:
            found = setting.value.stat()
        except OSError as error:
            self.rows.append(row(what, f"{setting.value}: {error.strerror}", setting.origin))
            return
        shown = ""
        if os.name == "posix":
            shown = f", mode {stat.S_IMODE(found.st_mode):04o}, of {ownership.owner_name(found)}"
        self.rows.append(row(what, f"{setting.value}{shown}", setting.origin))

    def _open(self, material: KeyMaterial) -> Identity | None:
        """Return the identity, or None after a finding about what is wrong with it."""
        try:
            material.check_early(self.now)
            if not material.locked:
                return material.unlock(None, self.now)
        except MtlsRunError as error:
            self.findings.append(from_error(error))
            return None
        self._keyring()
        try:
            found = unlock.unlock(
                self.profile,
                lambda passphrase: material.unlock(passphrase, self.now),
                material.where,
                self.environ,
                self.reporter,
                once=True,
            )
        except MtlsRunError as error:
            code = error.code or ""
            origin = None if code.startswith("identity-") else self.profile.passphrase.origin
            self.findings.append(from_error(error, origin))
            self._source("does not open the key" if code == "passphrase-wrong" else "gives none")
            return None
        self._source("opens the key")
        return found

    def _source(self, outcome: str) -> None:
        setting = self.profile.passphrase
        source = describe(setting.value, self.profile.account)
        self.rows.append(row("passphrase", f"{source}: {outcome}", setting.origin))

    def _keyring(self) -> None:
        """Report the keyring, or warn if there is none: on a terminal, a prompt takes its place."""
        if not isinstance(self.profile.passphrase.value, FromKeyring):
            return
        try:
            store = keyring.find(self.environ, self.reporter)
        except keyring.KeyringUnusableError as error:
            self.rows.append(row("keyring", "none that is safe to use"))
            found = from_error(error, self.profile.passphrase.origin)
            self.findings.append(
                finding(found.code, found.fact, found.action, origin=found.origin, rank="warning")
            )
        else:
            self.rows.append(row("keyring", f"{store.name}, which stores secrets encrypted"))

    def _key(self, material: KeyMaterial, opened: Identity | None) -> None:
        kind = f"{opened.kind.name}, " if opened else ""
        state = "encrypted" if material.locked else "not encrypted"
        self.rows.append(row("private key", kind + state))
        setting = self.profile.client_key or self.profile.client_cert
        if setting is None or not (material.keys or material.containers):
            return
        path = setting.value
        try:
            readers = ownership.other_readers(path.stat())
        except OSError:
            return
        if readers:
            self.findings.append(
                finding(
                    "key-readable-by-others",
                    f"{readers} can read the private key in {path}",
                    f"chmod 600 {quoted(path)}",
                    origin=setting.origin,
                )
            )
        if not material.locked:
            self.findings.append(
                finding(
                    "key-unencrypted",
                    f"the private key in {path} is not encrypted, so the file is enough to use it",
                    "encrypt it, and store its passphrase in the keyring: "
                    f"openssl pkcs8 -topk8 -in {quoted(path)} -out NEW; mtls-run passphrase set",
                    origin=setting.origin,
                )
            )

    def _leaf(self, leaf: Certificate, notice_days: int) -> None:
        left = leaf.not_valid_after_utc - self.now
        until = f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        state = f"{checks.span(left)} left" if left.total_seconds() > 0 else "expired"
        usages, may_sign = _usages(leaf)
        self.rows += [
            row("certificate", subject_of(leaf)),
            row("issued by", of_name(leaf.issuer).text),
            row("serial", f"{leaf.serial_number:x}"),
            row("valid", f"{leaf.not_valid_before_utc:%Y-%m-%d} to {until}, {state}"),
            row("usage", usages),
        ]
        where = " and ".join(str(setting.value) for _, setting in self._files())
        origin = self.profile.client_cert.origin if self.profile.client_cert else None
        if timedelta() < left < timedelta(days=notice_days):
            fact = checks.expiry_notice(leaf, where, self.now, notice_days)
            self.findings.append(
                finding("identity-expires-soon", fact or "", checks.RENEW, origin=origin)
            )
        if not may_sign:
            self.findings.append(
                finding(
                    "identity-key-usage",
                    f"the key usage of the certificate {chain.describe(leaf)} in {where} lacks "
                    "digitalSignature, which TLS 1.3 needs: many servers refuse it",
                    "ask your PKI for a certificate with the key usage digitalSignature",
                    origin=origin,
                )
            )


def examine(
    profile: Profile, environ: Mapping[str, str], reporter: Reporter, notice_days: int
) -> IdentityReport:
    """Report on the profile's identity. Errors become findings. It prompts at most once."""
    if profile.client_cert is None:
        return IdentityReport(rows=(row("identity", "none in the profile"),))
    return _Inspection(profile, environ, reporter).report(notice_days)


def chain_row(identity: Identity, roots: tuple[Certificate, ...]) -> tuple[Row, bool]:
    """Return a row for the chain above the leaf, and whether it lacks an intermediate.

    `roots` are roots here with the name of the chain's issuer. Those of a server often differ.
    """
    top = identity.intermediates[-1] if identity.intermediates else identity.leaf
    shown = " ← ".join(["leaf", *map(subject_of, identity.intermediates)])
    if top.subject == top.issuer:
        return row("chain", f"{shown}: self-signed"), False
    issuer = of_name(top.issuer).text
    for root in roots:
        if root.subject == top.issuer:
            if root.subject == root.issuer:
                return row("chain", f"{shown}, complete up to the root {issuer}"), False
            return row("chain", f"{shown}; the intermediate {issuer} is missing"), True
    return row("chain", f"{shown}; the server has to know {issuer}, which is no root here"), False


def _likely_leaf(material: KeyMaterial | None) -> Certificate | None:
    """Return the only certificate that is not a CA's, or None."""
    if material is None:
        return None
    found = [one for one in material.certificates if not _is_ca(one)]
    return found[0] if len(found) == 1 else None


def _extension(certificate: Certificate, kind: type[Extension]) -> Extension | None:
    """Return the extension, or None, also if it cannot be parsed: that would stop a run."""
    try:
        return extensions.find(certificate, kind)
    except ValueError:
        return None


def _is_ca(certificate: Certificate) -> bool:
    found = _extension(certificate, x509.BasicConstraints)
    return found is not None and found.ca


def _usages(leaf: Certificate) -> tuple[str, bool]:
    """Return key usage and extended key usage in words, and whether the key may sign."""
    words, may_sign = [], True
    usage = _extension(leaf, x509.KeyUsage)
    if usage is not None:
        may_sign = usage.digital_signature
        flags = ("digital_signature", "key_encipherment", "key_agreement", "key_cert_sign")
        words += [name.replace("_", " ") for name in flags if getattr(usage, name)]
    extended = _extension(leaf, x509.ExtendedKeyUsage)
    if extended is not None:
        words += [getattr(purpose, "_name", purpose.dotted_string) for purpose in extended]
    return ", ".join(words) or "any: the certificate has no restriction", may_sign
