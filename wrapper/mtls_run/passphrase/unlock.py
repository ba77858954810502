"""Unlock a profile's key with the passphrase from where the profile says it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mtls_run import terminal
from mtls_run.errors import PassphraseError, WrongPassphraseError
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase import fetch, keyring
from mtls_run.passphrase.sources import (
    FromCommand,
    FromFile,
    FromKeyring,
    FromPrompt,
    describe,
)
from mtls_run.system import hardening, progress, recursion_guard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mtls_run.config.profile import Profile
    from mtls_run.output import Reporter
    from mtls_run.secret import Secret

TRIES = 3

Opened = TypeVar("Opened")
Opened_co = TypeVar("Opened_co", covariant=True)


class Locked(Protocol[Opened_co]):
    """A key that a passphrase or a PIN opens; `asks_for` says which, `where` what it is."""

    @property
    def where(self) -> str:
        """Return the name of the key for messages."""

    @property
    def asks_for(self) -> str:
        """Return `passphrase` or `PIN`."""

    @property
    def is_slow(self) -> bool:
        """Tell whether a person notices how long it takes to open."""

    def unlock(self, passphrase: Secret | None, now: datetime) -> Opened_co:
        """Return what the passphrase opens; raise WrongPassphraseError where another one may."""


@dataclass(frozen=True)
class Request(Generic[Opened]):
    """The key to unlock, and how to get its passphrase.

    `tries` is how often a person may be asked at the terminal; with 0, nobody is asked.
    """

    profile: Profile
    material: Locked[Opened]
    environ: Mapping[str, str]
    reporter: Reporter
    tries: int = TRIES

    def open(self, passphrase: Secret) -> Opened:
        """Return the identity; raise WrongPassphraseError where the passphrase does not fit."""
        with progress.shown(
            lambda: f"opening {self.material.where}",
            quiet=self.reporter.quiet,
            at_once=self.material.is_slow,  # cryptography lets no other thread run meanwhile
        ):
            return self.material.unlock(passphrase, utc_now())


@dataclass(frozen=True)
class Unlocked(Generic[Opened]):
    """An unlocked identity, and the passphrase that was typed for it if a keyring could store it.

    `replaces` says that the keyring stores another one, which does not fit. `directly` says that
    `keyring.look_up_directly` finds the one that fits.
    """

    identity: Opened
    typed: Secret | None = None
    replaces: bool = False
    directly: bool = False


def unlock(request: Request[Opened]) -> Unlocked[Opened]:
    """Return the identity, unlocked with the passphrase from the profile's source.

    Raises PassphraseError where the source has no passphrase, or none that fits.
    """
    hardening.disable_core_dumps()
    setting = request.profile.passphrase
    source, said = setting.value, str(setting.origin)
    if isinstance(source, FromKeyring):
        return _with_keyring(request)
    if isinstance(source, FromPrompt):
        return Unlocked(ask(request, f'{said}: `passphrase` is "prompt"')[0])
    if isinstance(source, FromCommand):
        within = recursion_guard.enter_passphrase_command(
            request.profile.label, source.argv[0], request.environ
        )
        waiting = f"waiting for the passphrase command `{source.argv[0]}`"
        with progress.announced(waiting, quiet=request.reporter.quiet):
            passphrase = fetch.from_command(source, said, within)
    elif isinstance(source, FromFile):
        passphrase = fetch.from_file(source, said, request.profile.verify)
    else:
        passphrase = fetch.from_variable(source, request.environ, said)
    try:
        return Unlocked(request.open(passphrase))
    except WrongPassphraseError as error:
        raise PassphraseError(
            f"{error.fact}: it came from {describe(source, request.profile.account)}, "
            f"named at {said}",
            hint="give that source the right passphrase",
            code="passphrase-wrong",
        ) from None


def needs_person(request: Request[Opened]) -> bool:
    """Tell whether a person has to type the passphrase: no source has it."""
    source = request.profile.passphrase.value
    if isinstance(source, FromKeyring):
        account = request.profile.account
        try:
            found = keyring.look_up(request.environ, request.reporter, account)
        except keyring.KeyringUnusableError:
            return True
        return found.passphrase is None
    return isinstance(source, FromPrompt)


def offer_to_store(
    request: Request[Opened], unlocked: Unlocked[Opened], *, ask: bool = True
) -> str | None:
    """Store a typed passphrase in the keyring, if the user agrees; return the keyring's name.

    Without `ask` nobody has to agree.
    """
    if unlocked.typed is None:
        return None
    verb = "replace" if unlocked.replaces else "store"
    question = f"{verb} the {request.material.asks_for} for {request.profile.label} in the keyring?"
    if ask and not terminal.ask_yes(question):
        return None
    try:
        store = keyring.find(request.environ, request.reporter)
        store.set(request.profile.account, unlocked.typed)
    except keyring.KeyringUnusableError as error:
        request.reporter.notice(f"{error.fact}; the passphrase is not stored")
        return None
    return store.name


def _with_keyring(request: Request[Opened]) -> Unlocked[Opened]:
    profile, reporter = request.profile, request.reporter
    try:
        found = keyring.look_up(request.environ, reporter, profile.account)
    except keyring.KeyringUnusableError as error:
        if request.tries and terminal.available():
            reporter.notice(f"{error.fact}; the passphrase will not be stored")
            return Unlocked(ask(request, "there is no keyring")[0])
        elsewhere = '; or passphrase = { file = "…" } or { env = "…" }'
        if error.code == "keyring-absent":
            elsewhere = ""  # its hint begins with that
        raise PassphraseError(
            f"{error.fact}; and there is no terminal to ask at" if request.tries else error.fact,
            hint=f"{error.hint}; then: {profile.set_command}{elsewhere}",
            code=error.code,
        ) from None
    if found.passphrase is None:
        typed = ask(
            request, f"no {request.material.asks_for} for {profile.label} is stored in the keyring"
        )
        return Unlocked(*typed)
    reporter.detail(f"the {request.material.asks_for} comes from the keyring {found.keyring}")
    try:
        return Unlocked(request.open(found.passphrase), directly=found.directly)
    except WrongPassphraseError:
        where = request.material.where
        reason = f"the passphrase stored for {profile.label} does not open {where}"
    return Unlocked(*ask(request, reason, "passphrase-wrong"), replaces=True)


def ask(request: Request[Opened], reason: str, code: str | None = None) -> tuple[Opened, Secret]:
    """Return the identity and the passphrase that a person typed for it at the terminal.

    Raises PassphraseError where nobody may or can be asked, and after `tries` wrong ones. Its fact
    then begins with `reason`, and `code` is its finding.
    """
    hardening.disable_core_dumps()
    profile, where = request.profile, request.material.where
    if not request.tries:
        raise PassphraseError(reason, hint=profile.set_command, code=code)
    if not terminal.available():
        # A stored passphrase is no use to a profile that always asks.
        always = isinstance(profile.passphrase.value, FromPrompt)
        raise PassphraseError(
            f"{reason}, and there is no terminal to ask at",
            hint='run it at a terminal, or store the passphrase: passphrase = "keyring"'
            if always
            else f"at a terminal: {profile.set_command}",
            code=code,
        )
    for _ in range(request.tries):
        passphrase = terminal.ask_secret(
            f"{request.material.asks_for} for {profile.label} ({where})"
        )
        try:
            return request.open(passphrase), passphrase
        except WrongPassphraseError:
            terminal.tell("that passphrase does not open the key")
    fact = f"{request.tries} passphrases, and none opens {where}"
    raise PassphraseError(
        fact if request.tries > 1 else f"the passphrase that was typed does not open {where}",
        hint="ask the issuer of the file for its passphrase",
        code="passphrase-wrong",
    )
