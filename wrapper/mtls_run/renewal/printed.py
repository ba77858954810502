"""An identity that a command prints: run it, check what it prints, and keep that for other runs.

The identity is kept in the session keyring of this user's login and never in a file. It stays there
until its end, or for as long as `remember` says. Without such a keyring each run asks the command.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError
from mtls_run.identity import exec_credential, remembered, source
from mtls_run.identity.material import parse
from mtls_run.identity.validity import utc_now
from mtls_run.passphrase import unlock
from mtls_run.renewal import command, schedule, state
from mtls_run.renewal.schedule import Life
from mtls_run.renewal.turn import Turn
from mtls_run.system import hardening
from mtls_run.system.command import Command
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity
    from mtls_run.identity.source import Contents
    from mtls_run.output import Reporter


@dataclass(frozen=True)
class Obtained:
    """An identity, and when it expires (seconds since 1970).

    `pem_sha256` names what the keyring keeps of it; None where that is nothing.
    """

    identity: Identity
    ends: float
    pem_sha256: str | None = None

    @property
    def life(self) -> Life:
        """Return when it is renewed."""
        found = self.identity
        return Life(found.not_before, self.ends, spread=schedule.spread(found.fingerprint))


@dataclass(frozen=True)
class Request:
    """A profile whose identity a command prints; `key` is its digest, which names what is kept.

    `may_ask` tells whether a person may be asked for the passphrase of a locked key. `held` is what
    this process has already, for a gateway that no keyring serves.
    """

    profile: Profile
    key: str
    environ: Mapping[str, str]
    reporter: Reporter
    may_ask: bool = True
    is_asked: bool = False
    held: Obtained | None = None


def obtain(request: Request) -> Obtained:
    """Return the identity: the one that is kept, or a new one from the command.

    Raises IdentityError where the command fails, or prints no identity that can work.
    """
    hardening.disable_core_dumps()
    allowed = _seconds(request.profile) != 0
    return Turn(
        key=request.key,
        what=f"the identity of {request.profile.label}",
        look=lambda: (kept(request.key) if allowed else None) or request.held,
        life=lambda found: found.life,
        renew=lambda: _fresh(request),
        reporter=request.reporter,
        is_shared=allowed and remembered.is_possible(),
        is_asked=request.is_asked,
    ).take()


def kept(key: str) -> Obtained | None:
    """Return the identity that the session's keyring has under this key, checked anew, or None."""
    pem = remembered.recall(key)
    if pem is None:
        return None
    try:
        found = parse([(Path("the session keyring"), pem)]).unlock(None, utc_now())
    except IdentityError:
        return None
    ends = state.load(key).ends or found.not_after
    if time.time() >= ends:
        return None
    return Obtained(found, min(ends, found.not_after), sha256(pem).hexdigest())


def _fresh(request: Request) -> Obtained:
    """Run the command, check what it prints, and keep it."""
    contents, expires = _printed(request)
    material = parse(contents)
    now = utc_now()
    try:
        material.check_early(now)
        if material.locked:
            tries = unlock.TRIES if request.may_ask else 0
            asked = unlock.Request(
                request.profile, material, request.environ, request.reporter, tries
            )
            found = unlock.unlock(asked).identity
        else:
            found = material.unlock(None, now)
    except IdentityError as error:
        if error.code != "identity-expired":
            raise
        raise IdentityError(error.fact, hint=command.clock_hint(), code=error.code) from None
    ends = min(found.not_after, expires) if expires is not None else found.not_after
    if ends <= time.time():
        raise IdentityError(
            f"the expirationTimestamp in {material.where} is past",
            hint=command.clock_hint(),
            code=_EXPIRED,
        )
    return Obtained(found, ends, _keep(request, found, ends, is_locked=material.locked))


def _printed(request: Request) -> tuple[Contents, float | None]:
    """Return what the commands print and the file has, and when the first of them expires."""
    profile = request.profile
    contents: Contents = []
    ends: list[float] = []
    seen: set[object] = set()
    for name, setting in (("client-cert", profile.client_cert), ("client-key", profile.client_key)):
        if setting is None or setting.value in seen:
            continue
        seen.add(setting.value)
        if not isinstance(setting.value, Command):
            contents += source.read_files(profile, [(name, setting)])  # type: ignore[list-item] # a path
            continue
        where = f"the output of {setting.value.program}"
        request.reporter.detail(f"runs {setting.value}, which prints the identity")
        output = command.output(
            setting.value,
            f"`{name}` at {setting.origin}",
            profile,
            request.environ,
            quiet=request.reporter.quiet,
            by_hand=request.is_asked,
        )
        if exec_credential.is_json(output):
            output, expires = exec_credential.read(output, where)
            ends += [] if expires is None else [expires]
        else:
            exec_credential.check_beginning(output, where)
        contents.append((Path(where), output))
    return contents, min(ends) if ends else None


def _keep(request: Request, found: Identity, ends: float, *, is_locked: bool) -> str | None:
    """Keep the identity until its end, or as long as `remember` allows; return its SHA-256."""
    limit = _seconds(request.profile)
    if limit is None and is_locked:
        return None  # its passphrase would protect nothing any more
    seconds = int(min(ends - time.time(), float("inf") if limit is None else limit))
    if seconds < 1:
        return None
    try:
        pem = found.exportable_pem().reveal()
        return remembered.keep(request.key, pem, seconds)
    except OSError as error:
        request.reporter.detail(f"the identity is not kept: {error.strerror}")
        return None


def _seconds(profile: Profile) -> int | None:
    """Return for how long `remember` lets an identity be kept; None where it says nothing."""
    return None if profile.remember is None else profile.remember.value


_EXPIRED = "identity-expired"
