"""Whether a profile can work, before it is written: its files, its key, its CA certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run import terminal
from mtls_run.config.origin import Setting
from mtls_run.errors import PassphraseError, WrongPassphraseError
from mtls_run.identity import checks
from mtls_run.passphrase import keyring
from mtls_run.passphrase import unlock as opening
from mtls_run.passphrase.sources import FromKeyring, FromPrompt, describe
from mtls_run.record import replace
from mtls_run.roots import resolve as roots

if TYPE_CHECKING:
    from mtls_run.commands import Context
    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.passphrase.keyring import Store
    from mtls_run.secret import Secret


@dataclass(frozen=True)
class Checked:
    """An identity that was opened, or None; and the passphrase to keep once all is written."""

    identity: Identity | None = None
    passphrase: Secret | None = None
    store: Store | None = None

    def keep(self, profile: Profile, context: Context) -> str | None:
        """Keep the passphrase, if it is to be kept; return the name of the keyring that has it."""
        if self.passphrase is None or self.store is None:
            return None
        try:
            self.store.set(profile.account, self.passphrase)
        except keyring.KeyringUnusableError as error:
            context.reporter.notice(f"{error.fact}; the passphrase is not kept")
            return None
        return self.store.name


def check(
    profile: Profile, material: KeyMaterial | None, context: Context, *, keep: bool = False
) -> Checked:
    """Return what the checks found; raise MtlsRunError where the profile cannot work.

    A passphrase is asked for where it is needed and there is a terminal. It is offered to be kept
    in the keyring, or with `keep` meant to be, without a question.
    """
    if profile.ca_cert is not None or profile.roots.value == "none":
        # What is added; the base may be another on the day that it is used.
        roots.resolve(replace(profile, roots=Setting("none", profile.roots.origin)), {})
    if material is None:
        return Checked()
    now = checks.utc_now()
    material.check_early(now)
    if not material.locked:
        return Checked(material.unlock(None, now))
    source = profile.passphrase.value
    if not isinstance(source, (FromKeyring, FromPrompt)):
        return _from_elsewhere(profile, material, context)
    if not terminal.available():
        context.reporter.notice(
            f"the key in {material.where} was not opened, since there is no terminal to ask at; "
            f"see: mtls-run passphrase set --stdin {profile.name}"
        )
        return Checked()
    if isinstance(source, FromPrompt):
        return Checked(_ask(profile, material)[0])
    return _with_keyring(profile, material, context, keep=keep)


def _from_elsewhere(profile: Profile, material: KeyMaterial, context: Context) -> Checked:
    try:
        given = opening.fetch_elsewhere(profile, context.environ)
    except PassphraseError as error:
        context.reporter.notice(f"{error.fact}; so the key in {material.where} was not opened")
        return Checked()
    try:
        return Checked(material.unlock(given, checks.utc_now()))
    except WrongPassphraseError as error:
        source = describe(profile.passphrase.value, profile.account)
        raise PassphraseError(
            f"{error.fact}: it came from {source}", hint="give that source the right passphrase"
        ) from None


def _with_keyring(
    profile: Profile, material: KeyMaterial, context: Context, *, keep: bool
) -> Checked:
    try:
        store = keyring.find(context.environ, context.reporter)
        stored = store.get(profile.account)
    except keyring.KeyringUnusableError as error:
        context.reporter.notice(f"{error.fact}; the passphrase will not be kept")
        return Checked(_ask(profile, material)[0])
    if stored is not None:
        try:
            return Checked(material.unlock(stored, checks.utc_now()))
        except WrongPassphraseError:
            pass  # that of another key, which had this name before
    found, passphrase = _ask(profile, material)
    verb = "replace the one in" if stored else "keep it in"
    if keep or terminal.ask_yes(f"{verb} the keyring, for {profile.label}?"):
        return Checked(found, passphrase, store)
    return Checked(found)


def _ask(profile: Profile, material: KeyMaterial) -> tuple[Identity, Secret]:
    """Return the identity and the passphrase that opened it, asked for at the terminal."""
    return opening.ask(
        profile,
        lambda given: material.unlock(given, checks.utc_now()),
        material.where,
        reason="the key is locked",
    )
