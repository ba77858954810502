"""Check the token of a profile before it is written, and list the certificates in tokens."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from mtls_run import terminal
from mtls_run.commands import Context, profile_check, say
from mtls_run.config.profile import Profile
from mtls_run.errors import IdentityError, UsageError
from mtls_run.identity import chain, checks, extensions, token
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.identity.token import TokenIdentity
from mtls_run.output.text import quoted
from mtls_run.passphrase.sources import FromKeyring, FromPrompt
from mtls_run.passphrase.unlock import Request, Unlocked, unlock
from mtls_run.secret import Secret
from mtls_run.system.record import replace


@dataclass(frozen=True)
class Checked:
    """The certificate of the profile, and the PIN if its token was opened with one."""

    leaf: x509.Certificate | None
    pin: Unlocked[Secret] | None


def check(profile: Profile, identity: TokenIdentity, context: Context) -> Checked:
    """Return what the token holds for the profile; raise MtlsRunError if it cannot work.

    A person is asked for the PIN where there is a terminal. It is tried once.
    """
    profile_check.check_roots(profile)
    _refuse_bare(profile)
    try:
        facts = identity.inspect()
    except IdentityError as error:
        if error.code == "identity-ambiguous":
            _list(profile)
        raise
    if profile.hosts is None:
        raise UsageError(
            f"{profile.label} names no host: a gateway signs by the token, for named hosts alone",
            hint="name the host of your index: --host pypi.corp.example",
        )
    if facts.leaf is not None:
        checks.check(facts.leaf, identity.where, checks.utc_now())
    pin = None
    if facts.needs_pin:
        is_asked = isinstance(profile.passphrase.value, (FromKeyring, FromPrompt))
        if is_asked and not terminal.available():
            context.reporter.notice(
                f"the key in the token {facts.label} was not opened, since there is no terminal to "
                f"ask at; see: {profile.set_command} --stdin"
            )
            return Checked(facts.leaf, None)
        if facts.tries:
            context.reporter.notice(f"the token {facts.label}: {facts.tries}")
        pin = unlock(Request(profile, identity.pin, context.environ, context.reporter))
    try:
        return Checked(identity.open(pin.identity if pin else None).leaf, pin)
    finally:
        identity.close()


def _refuse_bare(profile: Profile) -> None:
    """List the tokens and raise UsageError where the URI names no object and no token."""
    setting = profile.client_cert
    if setting is None or not isinstance(setting.value, Pkcs11Uri):
        return
    if replace(setting.value, module_path=None) != Pkcs11Uri():
        return
    uris = _list(profile)
    hint = f"name one of these: --client-cert {quoted(uris[0])}" if uris else "insert a token"
    raise UsageError(
        f"{setting.origin}: the URI names no certificate; the profile is not written", hint=hint
    )


def _list(profile: Profile) -> list[str]:
    """Print the tokens that the URI may mean, and their certificates; return their URIs."""
    setting = profile.client_cert
    assert setting is not None
    if not isinstance(setting.value, Pkcs11Uri):
        return []
    uris = []
    for one, found in token.listing(setting.value, setting.origin):
        say(f"token {one.label}: {one.uri}")
        leaves = [item for item in found if not extensions.is_authority(item.certificate)]
        if not leaves:
            say("  no client certificate shows without a PIN")
        for item in leaves:
            until = f"{item.certificate.not_valid_after_utc:%Y-%m-%d}"
            say(f"  {chain.describe(item.certificate)}, valid until {until}")
            say(f"    {quoted(str(item.uri))}")
            uris.append(str(item.uri))
    return uris
