"""Any words, through the launcher, the shell functions and the shims: the tool gets them."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ready
from tests.shells import arguments, each_layer, run_layer

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.fuzz]

SPECIAL = " \t\n\r'\"\\$`!*?[]{}()<>|&;#~=%^@,.:-/\x01\x1b\x7f\xe9☃\U0001f512"
PIECES = (
    *("--", "-p", "--profile", "$(id)", "`id`", "${HOME}", "~", "*", "!!", "\\\n", "''", "%s"),
    *("-n", "a", "b", *SPECIAL),
)
# A shell's own start takes most of the time, so each start is given many words.
ROUNDS, WORDS, LAUNCHES = 3, 80, 20


def words(draw: random.Random, count: int) -> list[str]:
    """Return words of anything that an argument can hold."""
    found = []
    for _ in range(count):
        any_bytes = bytes(draw.choices(range(1, 256), k=draw.randrange(9)))
        pieces = "".join(draw.choices(PIECES, k=draw.randrange(8)))
        found.append(draw.choice([os.fsdecode(any_bytes), pieces, pieces]))
    return found


@each_layer
def test_through_shells(sandbox: Sandbox, shell: str, layer: str) -> None:
    """Whatever the words are, they pass the layer unaltered and in order."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    draw = random.Random(f"{shell} {layer}")
    for _ in range(ROUNDS):
        typed = ["pip", "install", *words(draw, WORDS)]
        done = run_layer(sandbox, shell, layer, f"uv {arguments(shell)}", *typed)
        assert (done.returncode, done.stderr) == (0, ""), typed
        assert tool.seen().args == [os.fsencode(word) for word in typed]


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_through_the_launcher(sandbox: Sandbox, name: str) -> None:
    """Whatever the options, flags that are added stand before the words that were typed."""
    ready(sandbox)
    tool = sandbox.fake_tool(name)
    draw = random.Random(name)
    options = [[], ["-q"], ["-p", "corp"], ["--profile=corp", "-q"], ["--"], ["-pcorp", "--"]]
    for _ in range(LAUNCHES):
        typed = ["download" if name == "pip" else "sync", *words(draw, draw.randrange(12))]
        done = sandbox.run(*draw.choice(options), name, *typed)
        assert done.returncode == 0, (typed, done.stderr)
        given, expected = tool.seen().args, [os.fsencode(word) for word in typed]
        assert given[len(given) - len(expected) :] == expected
        flags = given[: len(given) - len(expected)]
        assert all(flag.startswith((b"-", b"/", b"legacy-certs")) for flag in flags if flag)
        assert name == "pip" or not flags
