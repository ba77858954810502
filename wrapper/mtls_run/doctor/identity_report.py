"""The identity: its files, their content, whether its key opens, and its certificate."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from OpenSSL import crypto

from mtls_run import terminal
from mtls_run.doctor.authorities import subject_of
from mtls_run.errors import MtlsRunError
from mtls_run.identity import chain, checks, extensions, oddities, source, token
from mtls_run.identity.keys import is_pss
from mtls_run.identity.kind import ANY_PURPOSE, ANY_PURPOSE_FACT
from mtls_run.identity.material import gather
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.net.certificates import of_name
from mtls_run.net.tls import ClientIdentity
from mtls_run.output import quoted
from mtls_run.passphrase import keyring, unlock
from mtls_run.passphrase.sources import FromKeyring, describe
from mtls_run.system import ownership

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile
    from mtls_run.doctor.inspection import Inspection
    from mtls_run.identity.extensions import Extension
    from mtls_run.identity.keys import PrivateKey
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.identity.token import Facts, Opened, TokenIdentity
    from mtls_run.net.certificates import TrustStore

_NO_TRIES = "the token does not say how many tries are left"


@dataclass(frozen=True)
class IdentityReport:
    """A profile's identity, if it opens and passes the checks, and its leaf, if that is known."""

    identity: Identity | None = None
    leaf: Certificate | None = None

    @property
    def client(self) -> ClientIdentity | None:
        """Return what a server is shown, or None."""
        found = self.identity
        if found is None:
            return None
        key: PrivateKey | crypto.PKey = found.key
        if is_pss(found.leaf):
            key = crypto.load_privatekey(crypto.FILETYPE_ASN1, found.signer.pkcs8())
        return ClientIdentity(found.leaf, found.intermediates, key)


def examine(profile: Profile, notice_days: int, here: Inspection) -> IdentityReport:
    """Return the profile's identity. Errors become findings. It prompts at most once."""
    if profile.client_cert is None:
        here.row("identity", "none in the profile")
        return IdentityReport()
    for what, setting in _files(profile):
        _file(what, setting, here)
    in_token = token.of(profile)
    if in_token is not None:
        return IdentityReport(leaf=_in_token(in_token, profile, notice_days, here))
    material = None
    try:
        material = gather(profile)
    except MtlsRunError as error:
        here.error(error)
    identity = None
    leaf = _likely_leaf(material)
    if material is not None:
        identity = _open(material, profile, here)
        leaf = identity.leaf if identity else leaf
        _key(material, identity, profile, here)
    if leaf is not None:
        _leaf(leaf, profile, notice_days, here)
    return IdentityReport(identity, leaf)


def _files(profile: Profile) -> list[tuple[str, Setting[Path]]]:
    return source.files_of(profile)


def _file(what: str, setting: Setting[Path], here: Inspection) -> None:
    try:
        found = setting.value.stat()
    except OSError as error:
        here.row(what, f"{setting.value}: {error.strerror}", setting.origin)
        return
    mode = ""
    if os.name == "posix":
        mode = f", mode {stat.S_IMODE(found.st_mode):04o}, of {ownership.owner_name(found)}"
    here.row(what, f"{setting.value}{mode}", setting.origin)


def _open(material: KeyMaterial, profile: Profile, here: Inspection) -> Identity | None:
    """Return the identity, or None after a finding about what is wrong with it."""
    now = checks.utc_now()
    setting = profile.passphrase
    source = describe(setting.value, profile.account)
    try:
        material.check_early(now)
        if not material.locked:
            return material.unlock(None, now)
    except MtlsRunError as error:
        here.error(error)
        return None
    if isinstance(setting.value, FromKeyring):
        _keyring(profile, here)
    try:
        request = unlock.Request(profile, material, here.environ, here.reporter, tries=1)
        identity = unlock.unlock(request).identity
    except MtlsRunError as error:
        code = error.code or ""
        here.error(error, None if code.startswith("identity-") else setting.origin)
        outcome = "does not open the key" if code == "passphrase-wrong" else "gives none"
        here.row("passphrase", f"{source}: {outcome}", setting.origin)
        return None
    here.row("passphrase", f"{source}: opens the key", setting.origin)
    return identity


def _in_token(
    identity: TokenIdentity, profile: Profile, notice_days: int, here: Inspection
) -> Certificate | None:
    """Report a key in a token, and return its certificate; a PIN is tried once, if at all."""
    for what, setting in (("client-cert", profile.client_cert), ("client-key", profile.client_key)):
        if setting is not None and isinstance(setting.value, Pkcs11Uri):
            here.row(what, setting.value, setting.origin)
    try:
        facts = identity.inspect()
    except MtlsRunError as error:
        here.error(error)
        return None
    here.row("token", f"{facts.label}: {facts.uri}")
    here.row("PIN", "the reader asks for it" if facts.asks_itself else facts.tries or _NO_TRIES)
    opened = None
    if facts.tries is None:
        opened = _open_token(identity, facts, profile, here)
    else:
        here.finding(
            "token-tries-low",
            f"doctor did not try the PIN of the token {facts.label}: {facts.tries}",
            f"make sure of the PIN, then: mtls-run passphrase check {profile.name or ''}".rstrip(),
            origin=profile.passphrase.origin,
        )
    leaf = opened.leaf if opened else facts.leaf
    if opened is not None:
        here.row("private key", f"{opened.kind.name}, in the token; it signs by {opened.mechanism}")
    if leaf is not None:
        _leaf(leaf, profile, notice_days, here)
    return leaf


def _open_token(
    identity: TokenIdentity, facts: Facts, profile: Profile, here: Inspection
) -> Opened | None:
    """Return the opened identity, or None after a finding."""
    pin = None
    setting = profile.passphrase
    try:
        if facts.needs_pin:
            if isinstance(setting.value, FromKeyring):
                _keyring(profile, here)
            request = unlock.Request(profile, identity.pin, here.environ, here.reporter, tries=1)
            pin = unlock.unlock(request).identity
        return identity.open(pin)
    except MtlsRunError as error:
        here.error(error)
        return None
    finally:
        identity.close()


def _keyring(profile: Profile, here: Inspection) -> None:
    """Report the keyring, or warn if there is none and a prompt at the terminal takes its place."""
    try:
        store = keyring.find(here.environ, here.reporter)
    except keyring.KeyringUnusableError as error:
        here.row("keyring", "none that is safe to use")
        if terminal.available():  # else the run ends there, and `unlock` says the same
            here.error(error, profile.passphrase.origin, rank="warning")
    else:
        here.row("keyring", f"{store.name}, which stores secrets encrypted")


def _key(
    material: KeyMaterial, identity: Identity | None, profile: Profile, here: Inspection
) -> None:
    kind = f"{identity.kind.name}, " if identity else ""
    here.row("private key", kind + ("encrypted" if material.locked else "not encrypted"))
    files = _files(profile)
    if not files or not (material.keys or material.containers):
        return
    setting = files[-1][1]
    path = setting.value
    try:
        readers = ownership.other_readers(path.stat())
    except OSError:
        return
    if readers:
        here.finding(
            "key-readable-by-others",
            f"{readers} can read the private key in {path}",
            f"chmod 600 {quoted(path)}",
            origin=setting.origin,
        )
    if not material.locked:
        here.finding(
            "key-unencrypted",
            f"the private key in {path} is not encrypted, so the file is enough to use it",
            "encrypt it, and store its passphrase in the keyring: "
            f"openssl pkcs8 -topk8 -in {quoted(path)} -out NEW; mtls-run passphrase set",
            origin=setting.origin,
        )


def _leaf(leaf: Certificate, profile: Profile, notice_days: int, here: Inspection) -> None:
    now = checks.utc_now()
    remaining = leaf.not_valid_after_utc - now
    until = f"{leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    state = f"{checks.span(remaining)} left" if remaining > timedelta() else "expired"
    usages, may_sign = _usages(leaf)
    here.row("certificate", subject_of(leaf))
    here.row("issued by", of_name(leaf.issuer).text)
    here.row("serial", f"{leaf.serial_number:x}")
    here.row("valid", f"{leaf.not_valid_before_utc:%Y-%m-%d} to {until}, {state}")
    here.row("usage", usages)
    named = (profile.client_cert, profile.client_key)
    where = " and ".join(str(setting.value) for setting in named if setting is not None)
    origin = profile.client_cert.origin if profile.client_cert else None
    if timedelta() < remaining < timedelta(days=notice_days):
        fact = checks.expiry_notice(leaf, where, now, notice_days)
        here.finding("identity-expires-soon", fact or "", checks.RENEW, origin=origin)
    for one in oddities.find([leaf]):
        if one.kind == ANY_PURPOSE:
            here.finding(
                "identity-any-purpose",
                f"{one.whose} in {where} {ANY_PURPOSE_FACT}",
                "ask your PKI for a certificate with the extended key usage clientAuth",
                origin=origin,
            )
    if not may_sign:
        here.finding(
            "identity-key-usage",
            f"the key usage of the certificate {chain.describe(leaf)} in {where} lacks "
            "digitalSignature, which TLS 1.3 needs: many servers refuse it",
            "ask your PKI for a certificate with the key usage digitalSignature",
            origin=origin,
        )


def examine_chain(identity: Identity, roots: TrustStore | None, here: Inspection) -> None:
    """Report the chain above the leaf, by the roots here; a server may have others."""
    top = identity.intermediates[-1] if identity.intermediates else identity.leaf
    shown = " ← ".join(["leaf", *map(subject_of, identity.intermediates)])
    if top.subject == top.issuer:
        here.row("chain", f"{shown}: self-signed")
        return
    issuer = of_name(top.issuer).text
    known = next((root for root in roots or () if root.subject == top.issuer), None)
    if known is None:
        here.row("chain", f"{shown}; the server has to know {issuer}, which is no root here")
    elif known.subject == known.issuer:
        here.row("chain", f"{shown}, complete up to the root {issuer}")
    else:
        shown = f"{shown}; the intermediate {issuer} is missing"
        here.row("chain", shown)
        here.finding(
            "identity-chain-incomplete",
            f"{identity.where} lacks an intermediate: {shown}",
            "append the intermediate's certificate to the file of client-cert, after the leaf",
        )


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
