"""Check whether a profile can work before it is written: its files, key and CA certificates."""

from __future__ import annotations

from dataclasses import replace

from mtls_run import terminal
from mtls_run.commands import Context
from mtls_run.config.origin import Setting
from mtls_run.config.profile import Profile
from mtls_run.errors import PassphraseError
from mtls_run.identity.material import Identity, KeyMaterial
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase.sources import FromKeyring, FromPrompt
from mtls_run.passphrase.unlock import Request, Unlocked, unlock
from mtls_run.roots import resolve as roots


def check_roots(profile: Profile) -> None:
    """Raise MtlsRunError if the profile's CA certificates cannot work."""
    if profile.ca_cert is not None or profile.roots.value == "none":
        # The added certificates alone: the base may have changed by the time of a run.
        roots.resolve(replace(profile, roots=Setting("none", profile.roots.origin)), {})


def check(
    profile: Profile, material: KeyMaterial | None, context: Context
) -> Unlocked[Identity] | None:
    """Return the identity if it could be unlocked; raise MtlsRunError if the profile cannot work.

    A person is asked for a passphrase where the profile needs one and there is a terminal.
    """
    check_roots(profile)
    if material is None:
        return None
    now = utc_now()
    material.check_early(now)
    if not material.locked:
        return Unlocked(material.unlock(None, now))
    is_asked = isinstance(profile.passphrase.value, (FromKeyring, FromPrompt))
    if is_asked and not terminal.available():
        context.reporter.notice(
            f"the key in {material.where} was not opened, since there is no terminal to ask at; "
            f"see: mtls-run passphrase set --stdin {profile.name}"
        )
        return None
    try:
        return unlock(Request(profile, material, context.environ, context.reporter))
    except PassphraseError as error:
        if is_asked or error.code == "passphrase-wrong":
            raise
        context.reporter.notice(f"{error.fact}; so the key in {material.where} was not opened")
        return None
