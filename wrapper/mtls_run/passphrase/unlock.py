"""The passphrase of a profile's key, from where the profile says, asked for only when needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable

from mtls_run import terminal
from mtls_run.cache import dependencies
from mtls_run.errors import PassphraseError, WrongPassphraseError
from mtls_run.passphrase import fetch, keyring
from mtls_run.passphrase.sources import (
    FromCommand,
    FromFile,
    FromKeyring,
    FromPrompt,
    FromVariable,
    describe,
)
from mtls_run.secret import Secret
from mtls_run.system import hardening
from mtls_run.tools import recursion_guard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity
    from mtls_run.output import Reporter

# Opens the identity with a passphrase; raises WrongPassphraseError where it does not fit.
Unlock = Callable[[Secret], "Identity"]
TRIES = 3


def unlock(  # noqa: PLR0913 - whom, how and where to ask
    profile: Profile,
    unlock_with: Unlock,
    where: str,
    environ: Mapping[str, str],
    reporter: Reporter,
    *,
    once: bool = False,
) -> Identity:
    """Return the profile's identity, opened with the passphrase that the profile's source gives.

    `where` names the key's file in questions. With `once` there is one question at most, and no
    offer to keep the answer. Raises PassphraseError where no passphrase can be had, or none that
    fits.
    """
    hardening.disable_core_dumps()
    source = profile.passphrase.value
    tries = 1 if once else TRIES
    if isinstance(source, FromKeyring):
        return _with_keyring(profile, unlock_with, where, environ, reporter, once=once)
    if isinstance(source, FromPrompt):
        reason = '`passphrase` is "prompt"'
        return ask(profile, unlock_with, where, reason=reason, tries=tries)[0]
    passphrase = fetch_elsewhere(profile, environ)
    try:
        return unlock_with(passphrase)
    except WrongPassphraseError as error:
        raise PassphraseError(
            f"{error.fact}: it came from {describe(source, profile.account)}, "
            f"named at {profile.passphrase.origin}",
            hint="give that source the right passphrase",
            code="passphrase-wrong",
        ) from None


def fetch_elsewhere(profile: Profile, environ: Mapping[str, str]) -> Secret:
    """Return the passphrase of a profile whose source is a command, a file or a variable."""
    hardening.disable_core_dumps()
    source, said = profile.passphrase.value, str(profile.passphrase.origin)
    if isinstance(source, FromCommand):
        within = recursion_guard.enter_passphrase_command(
            profile.label, source.argv[0], dependencies.plain(environ)
        )
        return fetch.from_command(source, said, within)
    if isinstance(source, FromFile):
        return fetch.from_file(source, said, profile.verify)
    assert isinstance(source, FromVariable)  # noqa: S101 - the other sources were taken before
    return fetch.from_variable(source, environ, said)


def set_command(profile: Profile) -> str:
    """Return the command that stores the passphrase of this profile."""
    return f"mtls-run passphrase set {profile.name}" if profile.name else "mtls-run passphrase set"


def _with_keyring(  # noqa: PLR0913 - as `unlock`
    profile: Profile,
    unlock_with: Unlock,
    where: str,
    environ: Mapping[str, str],
    reporter: Reporter,
    *,
    once: bool,
) -> Identity:
    tries, code = 1 if once else TRIES, None
    store = None
    try:
        stored = keyring.glance(environ, reporter, profile.account)
        if stored is None:
            store = keyring.find(environ, reporter)
            stored = store.get(profile.account)
    except keyring.KeyringUnusableError as error:
        if not terminal.available():
            raise PassphraseError(
                f"{error.fact}; and there is no terminal to ask at",
                hint=f"{error.hint}; then: {set_command(profile)}; "
                'for a machine without a keyring: passphrase = { file = "…" } or { env = "…" }',
                code=error.code,
            ) from None
        reporter.notice(f"{error.fact}; the passphrase will not be kept")
        return ask(profile, unlock_with, where, reason="there is no keyring", tries=tries)[0]
    if stored is None:
        reason = f"no passphrase for {profile.label} is stored in the keyring"
    else:
        name = store.name if store else keyring.SECRET_SERVICE
        reporter.detail(f"the passphrase comes from the keyring {name}")
        try:
            return unlock_with(stored)
        except WrongPassphraseError:
            reason = f"the passphrase stored for {profile.label} does not open {where}"
            code = "passphrase-wrong"
    identity, passphrase = ask(profile, unlock_with, where, reason=reason, tries=tries, code=code)
    if once:
        return identity
    verb = "replace the one in" if stored else "keep it in"
    if terminal.ask_yes(f"{verb} the keyring, for {profile.label}?"):
        try:
            store = store or keyring.find(environ, reporter)
            store.set(profile.account, passphrase)
        except keyring.KeyringUnusableError as error:
            reporter.notice(f"{error.fact}; the passphrase is not kept")
    return identity


def ask(  # noqa: PLR0913 - as `unlock`
    profile: Profile,
    unlock_with: Unlock,
    where: str,
    *,
    reason: str,
    tries: int = TRIES,
    code: str | None = None,
) -> tuple[Identity, Secret]:
    """Return the identity and the passphrase that opened it, asked for at the terminal.

    `reason` says why somebody is asked, and `code` which finding that is. Raises PassphraseError
    without a terminal, and after `tries` that do not open it.
    """
    hardening.disable_core_dumps()
    if not terminal.available():
        # What the keyring holds is nothing to a profile that always asks.
        always = isinstance(profile.passphrase.value, FromPrompt)
        raise PassphraseError(
            f"{reason}, and there is no terminal to ask at",
            hint='run it at a terminal, or keep the passphrase: passphrase = "keyring"'
            if always
            else f"at a terminal: {set_command(profile)}",
            code=code,
        )
    for _ in range(tries):
        passphrase = terminal.ask_secret(f"passphrase for {profile.label} ({where})")
        try:
            return unlock_with(passphrase), passphrase
        except WrongPassphraseError:
            terminal.tell("that passphrase does not open the key")
    fact = f"{tries} passphrases, and none opens {where}"
    raise PassphraseError(
        fact if tries > 1 else f"the passphrase that was typed does not open {where}",
        hint="whoever gave you the file knows its passphrase",
        code="passphrase-wrong",
    )
