"""Show a secret by `reveal` and in no other way."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from typing import Callable

import pytest

from mtls_run.secret import Secret

CANARY = b"canary-7f3a"
KEPT = Secret(CANARY)


@dataclasses.dataclass
class Holder:
    """Something that has a secret among its fields."""

    name: str
    secret: Secret


def test_reveal() -> None:
    """`reveal` returns the secret, which is true if it is not empty."""
    assert KEPT.reveal() == CANARY
    assert KEPT
    assert not Secret(b"")


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r}".format,
        lambda kept: "%s %r" % (kept, kept),  # noqa: UP031  # this way too
        lambda kept: f"{kept}",
        lambda kept: repr([kept, {kept}, (kept,)]),
        lambda kept: repr(Holder("x", kept)),
        lambda kept: repr(vars(Holder("x", kept))),
        lambda kept: json.dumps({"secret": kept}, default=str),
        lambda kept: logging.LogRecord("x", 0, "", 0, "%s", (kept,), None).getMessage(),
        lambda kept: str(ValueError(kept)),
    ],
)
def test_never_shown(show: Callable[[object], str]) -> None:
    """No way to format a secret shows it."""
    assert CANARY.decode() not in show(KEPT)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_never_pickled(protocol: int) -> None:
    """Pickling a secret fails, also inside another object."""
    for value in (KEPT, [KEPT], Holder("x", KEPT)):
        with pytest.raises(TypeError, match="cannot copy or pickle a secret"):
            pickle.dumps(value, protocol)


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy])
def test_never_copied(take: Callable[[object], object]) -> None:
    """Copying a secret fails."""
    with pytest.raises(TypeError):
        take(KEPT)


def test_asdict() -> None:
    """`asdict` of an object with a secret fails."""
    with pytest.raises(TypeError):
        dataclasses.asdict(Holder("x", KEPT))
    with pytest.raises(TypeError):
        dataclasses.astuple(Holder("x", KEPT))


def test_no_attributes() -> None:
    """A secret has no `__dict__`, and a traceback that has it as an argument does not show it."""
    assert not hasattr(KEPT, "__dict__")
    with pytest.raises(RuntimeError) as caught:
        fail_with(KEPT)
    assert CANARY.decode() not in "".join(
        traceback.format_exception_only(caught.type, caught.value)
    )


def fail_with(kept: Secret) -> None:
    """Fail with a secret among the arguments of the error."""
    raise RuntimeError("x", kept)
