"""What the last renewal of an identity said, in the private cache; it holds no secret.

A lost entry means one attempt more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mtls_run.cache import results
from mtls_run.renewal.schedule import Life, retry_after

_KIND = "renewal"


@dataclass(frozen=True)
class State:
    """The last attempt (`at`, seconds since 1970; 0: none), and the failures in a row until then.

    `said` is why it failed, empty where it did not. `begins` and `ends` are of the identity that
    it left, as far as known (0: unknown).
    """

    at: float = 0.0
    failures: int = 0
    said: str = ""
    begins: float = 0.0
    ends: float = 0.0

    @property
    def retry_at(self) -> float:
        """Return until when no run tries again, unless the identity is about to expire."""
        return self.at + retry_after(self.failures)


def load(key: str) -> State:
    """Return the state under this key; that of no attempt where nothing usable is stored."""
    try:
        at, failures, said, begins, ends = results.find(_KIND, key) or [""]
        found = State(float(at), int(failures), said, float(begins), float(ends))
    except ValueError:
        return State()
    # A clock that was set back would put the next attempt off for as long.
    return found if found.at <= time.time() else State(begins=found.begins, ends=found.ends)


def succeeded(key: str, life: Life) -> None:
    """Store that the renewal worked, and how long its result lives."""
    _store(key, State(time.time(), 0, "", life.begins, life.ends))


def failed(key: str, said: str, life: Life | None = None) -> None:
    """Store that the renewal failed, and why; `life` is of what it left nevertheless."""
    before = load(key)
    begins, ends = (before.begins, before.ends) if life is None else (life.begins, life.ends)
    _store(key, State(time.time(), before.failures + 1, said, begins, ends))


def _store(key: str, state: State) -> None:
    fields = [repr(state.at), str(state.failures), state.said, repr(state.begins), repr(state.ends)]
    results.store(_KIND, key, [field.replace("\0", "") for field in fields])
