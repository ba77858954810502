"""The identity: its files, their content, whether its key opens, and its certificate."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate
from OpenSSL import crypto

from mtls_run import terminal
from mtls_run.config.origin import Setting
from mtls_run.config.profile import Profile
from mtls_run.doctor import certificate_report
from mtls_run.doctor.inspection import Inspection
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import nested
from mtls_run.identity import checks, exported, extensions, source, token
from mtls_run.identity.keys import PrivateKey, is_pss
from mtls_run.identity.material import Identity, KeyMaterial, gather
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.identity.token import TokenIdentity
from mtls_run.net.tls import ClientIdentity
from mtls_run.output.text import quoted
from mtls_run.passphrase import keyring, unlock
from mtls_run.passphrase.sources import FromKeyring, describe
from mtls_run.renewal import printed, report
from mtls_run.system import ownership
from mtls_run.system.command import Command

if TYPE_CHECKING:
    # It needs the extra `pkcs11`.
    from mtls_run.identity.token_session import Facts, Opened

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
            key = crypto.load_privatekey(
                crypto.FILETYPE_ASN1, exported.pkcs8(found.leaf, found.key)
            )
        return ClientIdentity(found.leaf, found.intermediates, key)


def examine(profile: Profile, notice_days: int, here: Inspection) -> IdentityReport:
    """Return the profile's identity. Errors become findings. It prompts at most once."""
    if profile.client_cert is None:
        here.part("identity", f"none in {profile.label}")
        here.row("identity", "none in the profile")
        return IdentityReport()
    here.part("identity", f"{profile.client_cert.value} of {profile.label}")
    for what, setting in _files(profile):
        _file(what, setting, here)
    in_token = token.of(profile, quiet=here.options.quiet)
    if in_token is not None:
        return IdentityReport(leaf=_in_token(in_token, profile, notice_days, here))
    if source.is_printed(profile):
        return _printed(profile, notice_days, here)
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
        certificate_report.examine(leaf, profile, notice_days, here)
    _renewal(profile, here)
    return IdentityReport(identity, leaf)


def _printed(profile: Profile, notice_days: int, here: Inspection) -> IdentityReport:
    """Report an identity that a command prints, or that is kept of an earlier time."""
    for what, setting in (("client-cert", profile.client_cert), ("client-key", profile.client_key)):
        if setting is not None and isinstance(setting.value, Command):
            here.row(what, setting.value, setting.origin)
    key = nested.renewal_key(profile)
    assert key is not None
    obtained = None
    try:
        obtained = printed.obtain(printed.Request(profile, key, here.environ, here.reporter))
    except MtlsRunError as error:
        here.error(error)
    if obtained is not None:
        kept = "kept in the session keyring" if obtained.pem_sha256 else "not kept: each run asks"
        here.row("private key", f"{obtained.identity.kind.name}, {kept}")
        certificate_report.examine(obtained.identity.leaf, profile, notice_days, here)
    _renewal(profile, here)
    if obtained is None:
        return IdentityReport()
    return IdentityReport(obtained.identity, obtained.identity.leaf)


def _renewal(profile: Profile, here: Inspection) -> None:
    """Report when the identity is renewed, and what the last attempt said."""
    key = nested.renewal_key(profile)
    if key is None:
        return
    found = report.of(profile, key)
    origin = None if profile.renew is None else profile.renew.origin
    here.row("renewal", f"due {found.due}", origin)
    here.row("last renewal", found.outcome)
    if found.last.failures and profile.renew is not None:
        here.finding(
            "renewal-failed",
            found.last.said,
            f"mtls-run profile renew {profile.name or ''}".rstrip(),
            origin=origin,
        )


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
        certificate_report.examine(leaf, profile, notice_days, here)
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
            f"openssl pkcs8 -topk8 -in {quoted(path)} -out NEW; {profile.set_command}",
            origin=setting.origin,
        )


def _likely_leaf(material: KeyMaterial | None) -> Certificate | None:
    """Return the only certificate that is not a CA's, or None."""
    if material is None:
        return None
    found = [one for one in material.certificates if not extensions.is_authority(one)]
    return found[0] if len(found) == 1 else None
