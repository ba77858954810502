"""Renew the files of an identity by the command that `renew` names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.cache import results
from mtls_run.errors import IdentityError
from mtls_run.identity import chain, material, source, visible
from mtls_run.identity.validity import utc_now
from mtls_run.renewal import command, schedule
from mtls_run.renewal.schedule import Life
from mtls_run.renewal.turn import Turn
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.identity.source import Contents
    from mtls_run.output import Reporter

_KIND, _EXPIRED = "life", "identity-expired"
# A command may leave a helper behind that is still writing.
_SETTLED, _TICK = 1.0, 0.1


@dataclass(frozen=True)
class Request:
    """A profile with `renew`; `key` is its digest, which names the state and the lock."""

    profile: Profile
    key: str
    environ: Mapping[str, str]
    reporter: Reporter
    is_asked: bool = False


def current(request: Request) -> Contents:
    """Return the files of the identity with their bytes, renewed if that is due.

    Where the renewal left a file that cannot work, it is what was there before. Raises MtlsRunError
    where the certificate is about to expire and cannot be renewed.
    """
    if command.is_inside(command.RENEWAL, request.profile, request.environ):
        return source.read(request.profile)
    before: list[Contents] = []

    def look() -> Contents:
        before.append(source.read(request.profile))
        return before[-1]

    return Turn(
        key=request.key,
        what=f"the identity of {request.profile.label}",
        look=look,
        life=lambda contents: life(request.profile, contents),
        renew=lambda: _renewed(request, before[-1]),
        reporter=request.reporter,
        is_asked=request.is_asked,
    ).take()


def life(profile: Profile, contents: Contents) -> Life | None:
    """Return how long the identity in these files lives, or None where that does not show.

    What a passphrase hides shows once a run has opened it (`note`).
    """
    assert profile.renew is not None
    before = profile.renew.value.before
    digest = source.digest(contents)
    try:
        begins, ends, spread = map(float, results.find(_KIND, digest) or ())
        return Life(begins, ends, before, spread)
    except ValueError:
        pass
    try:
        leaf = visible.leaf(material.parse(contents))
    except IdentityError:
        return None  # the run says what is wrong with them
    if leaf is None:
        return None
    begins, ends = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    fingerprint = sha256(chain.der(leaf)).hexdigest()
    note(digest, begins, ends, fingerprint)
    return Life(begins, ends, before, schedule.spread(fingerprint))


def note(digest: str, begins: float, ends: float, fingerprint: str) -> None:
    """Note how long the identity in the files of this digest lives."""
    if results.find(_KIND, digest) is None:
        fields = [repr(begins), repr(ends), repr(schedule.spread(fingerprint))]
        results.store(_KIND, digest, fields)


def _renewed(request: Request, before: Contents) -> Contents:
    """Run the command, and return the files that it left, checked."""
    renew = request.profile.renew
    assert renew is not None
    said = f"`renew` at {renew.origin}"
    request.reporter.detail(f"runs {renew.value.command}, which renews the identity")
    command.output(
        renew.value.command,
        said,
        request.profile,
        request.environ,
        quiet=request.reporter.quiet,
        code=command.RENEWAL,
        by_hand=request.is_asked,
    )
    deadline = time.monotonic() + _SETTLED
    while True:
        try:
            return _checked(request.profile, before)
        except IdentityError as error:
            if time.monotonic() >= deadline:
                raise IdentityError(
                    f"the renewal command `{renew.value.command.program}`, {said}, left files that "
                    f"cannot work: {error.fact}",
                    hint=command.clock_hint() if error.code == _EXPIRED else error.hint,
                    code=command.RENEWAL,
                ) from None
        time.sleep(_TICK)


def _checked(profile: Profile, before: Contents) -> Contents:
    contents = source.read(profile)
    if contents == before:
        return contents  # it left them as they are; the turn says so
    found = material.parse(contents)
    found.check_early(utc_now())
    if not found.locked:
        found.unlock(None, utc_now())
    return contents
