"""Conversations with mtls-run, each a file in tests/scenarios that reads as a terminal would.

A file begins with what it shows. Then stand:

    file PATH           the lines below, indented, become this file; ~ is the home directory
    cd PATH             the directory of the commands that follow
    env NAME=VALUE      a variable of the commands that follow
    $ COMMAND           a command line, which sh splits
    % COMMAND           the same at a terminal of 80 columns without colours
    STATUS              its exit status; 0 where none stands
    > TEXT              its stdout, line by line
    ! TEXT              its stderr, line by line
    | TEXT              what stands on its terminal, line by line
    = NAME=VALUE        a variable that the tool got; `= NAME` where it got none
    = WORDS: TEXT       the tool's own words

`…` stands for any text in a line, and ~ for the home directory. The sandbox has a profile `corp`
in ~/pki, which is not the default, and a uv that records its start. ~/bin has pip and uv too.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT
from tests.terminal import session

if TYPE_CHECKING:
    from tests.sandbox import FakeTool, Sandbox

FILES = sorted((Path(__file__).parents[1] / "scenarios").glob("*.txt"))


class Conversation:
    """One scenario as it is played in a sandbox."""

    def __init__(self, sandbox: Sandbox, tool: FakeTool) -> None:
        self.sandbox = sandbox
        self.tool = tool
        self.cwd = sandbox.home
        self.done: subprocess.CompletedProcess[str] | None = None
        self.expected: dict[str, list[str]] = {}

    def path(self, text: str) -> Path:
        """Return a path of the scenario."""
        return self.cwd / text.replace("~", str(self.sandbox.home))

    def play(self, lines: list[str]) -> None:
        """Play the lines."""
        while lines:
            line = lines.pop(0)
            kind, _, rest = line.partition(" ")
            if kind in ("$", "%"):
                self.check()
                self.done = self.at_terminal(rest) if kind == "%" else self.run(rest)
                streams: dict[str, list[str]] = {"|": []} if kind == "%" else {">": [], "!": []}
                self.expected = {**streams, "status": ["0"]}
            elif line.isdigit():
                self.expected["status"] = [line]
            elif kind in (">", "!", "|"):
                self.expected[kind].append(rest)
            elif kind == "=":
                self.check_tool(rest)
            elif kind == "env":
                name, _, value = rest.partition("=")
                self.sandbox.env[name] = value.replace("~", str(self.sandbox.home))
            elif kind == "cd":
                self.cwd = self.path(rest)
                self.cwd.mkdir(parents=True, exist_ok=True)
            elif kind == "file":
                text = []
                while lines and lines[0].startswith("    "):
                    text.append(lines.pop(0)[4:])
                self.sandbox.write(self.path(rest), "\n".join(text) + "\n")
            else:
                assert not line, f"a line that is no step: {line}"
        self.check()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the command."""
        return self.sandbox.execute(["sh", "-c", command], cwd=self.cwd)

    def at_terminal(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the command at a terminal; what it writes there counts as its stdout."""
        script = f"cd '{self.cwd}' && {command}"
        with session(self.sandbox, "/bin/sh", "-c", script) as terminal:
            status = terminal.end()
        return subprocess.CompletedProcess([command], status, terminal.shown, "")

    def check(self) -> None:
        """Fail where the last command did not answer as the scenario says."""
        if self.done is None:
            return
        shown = f"{self.done.args}: {self.done.returncode}\n{self.done.stdout}{self.done.stderr}"
        assert str(self.done.returncode) == self.expected["status"][0], shown
        streams = {">": self.done.stdout, "|": self.done.stdout, "!": self.done.stderr}
        for stream in set(streams) & set(self.expected):
            lines = streams[stream].splitlines()
            assert len(lines) == len(self.expected[stream]), shown
            for line, expected in zip(lines, self.expected[stream]):
                assert self.is_meant(line, expected), f"expected: {expected}\n{shown}"
        self.done = None

    def check_tool(self, expected: str) -> None:
        """Fail where the tool did not get this variable, or these words."""
        seen = self.tool.seen()
        if expected.startswith("WORDS: "):
            words = " ".join(map(os.fsdecode, seen.args))
            assert self.is_meant(words, expected.partition(" ")[2]), words
            return
        name, equals, value = expected.partition("=")
        found = seen.get(name)
        assert (found is not None) == bool(equals), f"{name} is {found}"
        if found is not None:
            assert self.is_meant(found, value), f"{name} is {found}"

    def is_meant(self, text: str, pattern: str) -> bool:
        """Tell whether a line is the expected one."""
        parts = map(re.escape, pattern.split("…"))
        return re.fullmatch(".*".join(parts), text.replace(str(self.sandbox.home), "~")) is not None


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenario(sandbox: Sandbox, file: Path) -> None:
    """The conversation goes as the file says."""
    sandbox.write("pki/alice.pem", ISSUER.issue("alice").pem())
    sandbox.write("pki/old.pem", ISSUER.issue("alice", starts=-9, days=-2.5).pem())
    sandbox.write("pki/alice.crt", ISSUER.issue("alice").cert_pem)
    sandbox.write("pki/other.key", ISSUER.issue("alice").key_pem())
    sandbox.write("pki/locked.p12", ISSUER.issue("alice").p12("a passphrase"))
    sandbox.write("pki/root.pem", ROOT.pem)
    sandbox.write_config(
        '[profiles.corp]\nclient-cert = "~/pki/alice.pem"\nca-cert = "~/pki/root.pem"\n'
    )
    sandbox.env["PATH"] = f"{sandbox.program.parent}:{sandbox.env['PATH']}"
    # For the captures of screens, in a directory of a known length.
    for name in ("pip", "pip3", "uv", "uvx"):
        sandbox.fake_tool(name, folder=sandbox.home / "bin")
    conversation = Conversation(sandbox, sandbox.fake_tool("uv"))
    _, _, steps = file.read_text(encoding="utf-8").partition("\n\n")
    conversation.play([line.rstrip() for line in steps.splitlines()])


def test_there_are_scenarios() -> None:
    """The folder is found."""
    assert len(FILES) >= 5
