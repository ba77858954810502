"""Any words, through the real launcher, the shell functions and the shims: the tool gets them."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Callable

import pytest

from tests.cli.support import ready
from tests.shells import COMMANDS, arguments, run_layer

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]

LAYERS = [
    *(
        (shell, layer)
        for shell in ("bash", "zsh", "fish")
        for layer in ("function", "shim", "both")
    ),
    ("dash", "shim"),
    ("busybox", "shim"),
]
SPECIAL = " \t\n\r'\"\\$`!*?[]{}()<>|&;#~=%^@,.:-/\x01\x1b\x7f\xe9☃\U0001f512"
PIECES = (
    "--",
    "-p",
    "--profile",
    "$(id)",
    "`id`",
    "${HOME}",
    "~",
    "*",
    "!!",
    "\\\n",
    "''",
    "%s",
    "-n",
)
# A shell's own start takes most of the time, so each is given many words.
ROUNDS, WORDS = 6, 40
LAUNCHES = 30


def words(rng: random.Random, count: int) -> list[str]:
    """Return words of anything that an argument can hold."""
    found = []
    for _ in range(count):
        kind = rng.randrange(4)
        if kind == 0:
            word = os.fsdecode(bytes(rng.choices(range(1, 256), k=rng.randrange(9))))
        elif kind == 1:
            word = "".join(rng.choices(SPECIAL, k=rng.randrange(12)))
        elif kind == 2:
            word = rng.choice(PIECES)
        else:
            word = "".join(rng.choices([*PIECES, *SPECIAL, "a", "b"], k=rng.randrange(6)))
        found.append(word)
    return found


@pytest.mark.parametrize(("shell", "layer"), LAYERS)
def test_through_shells(
    sandbox: Sandbox, shell: str, layer: str, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the words are, they go through the layer as they were given, and in order."""
    assert shell in COMMANDS
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    rng = random.Random(f"{shell} {layer}")  # noqa: S311 - the same words each time
    record_property("inputs", ROUNDS * WORDS)
    for _ in range(ROUNDS):
        typed = ["pip", "install", *words(rng, WORDS)]
        done = run_layer(sandbox, shell, layer, f"uv {arguments(shell)}", *typed)
        assert (done.returncode, done.stderr) == (0, ""), typed
        assert tool.seen().args == [os.fsencode(word) for word in typed]


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_through_the_launcher(
    sandbox: Sandbox, name: str, record_property: Callable[[str, object], None]
) -> None:
    """Whatever the options, what is added stands before the subcommand; the rest is as typed."""
    ready(sandbox)
    tool = sandbox.fake_tool(name)
    rng = random.Random(name)  # noqa: S311 - the same words each time
    record_property("inputs", LAUNCHES)
    options = [[], ["-q"], ["-p", "corp"], ["--profile=corp", "-q"], ["--"], ["-pcorp", "--"]]
    for _ in range(LAUNCHES):
        typed = ["download" if name == "pip" else "sync", *words(rng, rng.randrange(12))]
        own = rng.choice(options)
        before = tool.runs
        done = sandbox.run(*own, name, *typed)
        assert done.returncode == 0, (own, typed, done.stderr)
        assert tool.runs == before + 1
        given = tool.seen().args
        expected = [os.fsencode(word) for word in typed]
        assert given[len(given) - len(expected) :] == expected
        added = given[: len(given) - len(expected)]
        assert all(not word or word.startswith((b"-", b"/", b"legacy-certs")) for word in added)
        if name == "uv":
            assert added == []
