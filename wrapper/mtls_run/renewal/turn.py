"""Let one run renew an identity for all that need it.

While the old identity is good, the others go on with it. Shortly before its end they wait.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from mtls_run.cache import store
from mtls_run.errors import IdentityError, MtlsRunError
from mtls_run.identity.validity import span
from mtls_run.renewal import state
from mtls_run.system import locks, progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Callable

    from mtls_run.output import Reporter
    from mtls_run.renewal.schedule import Life

# A command has 30 s.
WAIT = 40.0

Held = TypeVar("Held")


@dataclass(frozen=True)
class Turn(Generic[Held]):
    """A renewal: what is there, how long it lives, and how to renew it.

    `key` names the state and the lock, `what` the identity in messages. `look` returns what is
    there now, or None. `life` returns None where the end does not show. `renew` returns what is
    there afterwards, or raises MtlsRunError. Without `is_shared` no other run sees the result, so
    nobody waits for it. With `is_asked`, it is renewed although a failure was just remembered.
    `patience` is how many seconds a run waits for another one's renewal.
    """

    key: str
    what: str
    look: Callable[[], Held | None]
    life: Callable[[Held], Life | None]
    renew: Callable[[], Held]
    reporter: Reporter
    is_shared: bool = True
    is_asked: bool = False
    patience: float = WAIT

    def take(self) -> Held:
        """Return the identity, renewed if that is due.

        Raises MtlsRunError where there is none that is good for longer than a moment.
        """
        started = time.time()
        held = self.look()
        if held is not None:
            life = self.life(held)
            if life is None or started < life.due_at:
                return held
            if life.is_good(started) and started < life.urgent_at:
                return self._try(held)
        return self._wait(started)

    def _try(self, held: Held) -> Held:
        """Renew without waiting; return the old identity where that fails."""
        now = time.time()
        if not self.is_asked and now < state.load(self.key).retry_at:
            return held
        try:
            with self._locked(0.0):
                again = self.look()
                if again is not None and self._is_fresh(again):
                    return again
                return self._renewed()
        except BlockingIOError:
            self.reporter.detail(f"another mtls-run is renewing {self.what}")
            return held
        except MtlsRunError as error:
            if self.is_asked:
                raise
            self._give_notice(held, error)
            return held

    def _wait(self, started: float) -> Held:
        """Renew, or wait for the run that does."""
        try:
            with self._locked(self.patience):
                again = self.look()
                if again is not None and self._is_fresh(again):
                    return again
                last = state.load(self.key)
                if last.failures and last.at >= started:  # it failed while this run waited
                    raise IdentityError(last.said, hint=_HINT, code="renewal-failed")
                return self._renewed()
        except BlockingIOError:
            raise IdentityError(
                f"another mtls-run has been renewing {self.what} for {self.patience:.0f} s",
                hint="see what it waits for: ps -ef",
                code="renewal-failed",
            ) from None

    def _renewed(self) -> Held:
        """Run the command, and store what came of it."""
        try:
            found = self.renew()
            life = self.life(found)
            if life is not None and not life.is_good(time.time()):
                raise IdentityError(
                    f"the renewal of {self.what} left a certificate that is not valid now",
                    hint=_HINT,
                    code="renewal-failed",
                )
        except MtlsRunError as error:
            state.failed(self.key, error.fact)
            raise
        if life is not None and self._is_fresh(found):
            state.succeeded(self.key, life)
        elif life is not None:
            left = span(timedelta(seconds=life.ends - time.time()))
            said = f"the renewal of {self.what} left a certificate that ends in {left} already"
            state.failed(self.key, said, life)  # not again with each run
            self.reporter.detail(said)
        return found

    def _is_fresh(self, held: Held) -> bool:
        life = self.life(held)
        return life is None or (life.begins <= time.time() < life.due_at)

    def _give_notice(self, held: Held, error: MtlsRunError) -> None:
        life = self.life(held)
        assert life is not None
        last = state.load(self.key)
        left = span(timedelta(seconds=life.ends - time.time()))
        retry = span(timedelta(seconds=max(0.0, last.retry_at - time.time()) + 1))
        self.reporter.notice(
            f"{error.fact}; the old certificate is good for {left}, the next try is in {retry}"
        )

    @contextlib.contextmanager
    def _locked(self, seconds: float) -> Iterator[None]:
        """Hold the lock; raises BlockingIOError if another run holds it for longer.

        Without a place for a lock, the renewal goes on without one.
        """
        descriptor = None
        if self.is_shared:
            waiting = f"waiting for the mtls-run that renews {self.what}"
            try:
                with progress.shown(lambda: waiting, quiet=self.reporter.quiet):
                    descriptor = locks.take(store.directory("renewal") / self.key, seconds=seconds)
            except BlockingIOError:
                raise
            except OSError as error:
                self.reporter.detail(f"no lock for the renewal: {error.strerror or error}")
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)


_HINT = "run it by hand to see why: mtls-run profile renew"
