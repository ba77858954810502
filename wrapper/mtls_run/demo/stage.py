"""Where the demo's story plays: environments, the tools in them, and what is expected of each."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.demo.child import Outcome, run_child
from mtls_run.demo.wheel import GREETING
from mtls_run.errors import MtlsRunError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mtls_run.demo.index import Index
    from mtls_run.demo.story import Story

_PRINT_GREETING = "import hello_mtls; print(hello_mtls.greeting())"

_VENV_SECONDS = 180.0
_INSTALL_SECONDS = 90.0
_QUESTION_SECONDS = 20.0
_LOG_SECONDS = 2.0

_UV_SINCE = (0, 2, 11)  # the first that reads SSL_CLIENT_CERT
_ABOVE = "the lines above say why; if they do not, please report it"


@dataclass(frozen=True)
class Venv:
    """A virtual environment below the stage's directory."""

    root: Path
    name: str

    @property
    def scripts(self) -> str:
        """The directory of its programs, as the story shows it."""
        return f"{self.name}/{'Scripts' if os.name == 'nt' else 'bin'}"

    @property
    def python(self) -> str:
        """Its interpreter, as the story shows it."""
        return f"{self.scripts}/python"

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        suffix = ".exe" if os.name == "nt" else ""
        return str(self.root / self.scripts / f"{name}{suffix}")


@dataclass(frozen=True)
class Uv:
    """A uv that can present a client certificate."""

    path: str
    version: str


@dataclass(frozen=True)
class Stage:
    """A private directory, an index that serves, an environment, and the story that is told."""

    root: Path
    story: Story
    index: Index
    env: Mapping[str, str]

    def make_venv(self, name: str, *, with_pip: bool) -> Venv:
        """Return a new virtual environment, with the pip that came with this Python or with none.

        Raises MtlsRunError where it cannot be made, or its programs cannot be run where it lies.
        """
        venv = Venv(self.root, name)
        options = [] if with_pip else ["--without-pip"]
        self.story.command(" ".join(["python3", "-m", "venv", *options, name]))
        command = [sys.executable, "-I", "-m", "venv", *options, str(self.root / name)]
        made = self._run_quietly(command, _VENV_SECONDS)
        if made.status != 0:
            said = [line.strip() for line in made.lines if line.strip()] or ["no word"]
            raise MtlsRunError(
                f"{sys.executable} -m venv ended {made.status}: {said[-1]}", hint=_ABOVE
            )
        if with_pip and not os.access(venv.program("pip"), os.X_OK):
            raise MtlsRunError(
                f"programs in {tempfile.gettempdir()} cannot be run",
                hint="TMPDIR names another place for temporary files",
            )
        return venv

    def with_first_on_path(self, venv: Venv) -> Stage:
        """Return this stage with the environment's programs first on PATH, as if activated."""
        scripts = str(self.root / venv.scripts)
        path = os.pathsep.join([scripts, self.env["PATH"]])
        return dataclasses.replace(self, env={**self.env, "PATH": path})

    def find_uv(self) -> Uv | str:
        """Return the uv on PATH, or a sentence that says why it has no part in the story."""
        path = shutil.which("uv", path=self.env["PATH"])
        if path is None:
            return "There is no uv on PATH. Where there is one, the demo shows the same with it."
        try:
            answer = self._run_quietly([path, "--version"], _QUESTION_SECONDS)
        except MtlsRunError as error:
            return f"The uv on PATH gives no answer: {error.fact}."
        found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", "\n".join(answer.lines))
        if answer.status != 0 or found is None:
            return f"{path} does not say its version as uv does."
        version = ".".join(found.groups())
        if tuple(int(part) for part in found.groups()) < _UV_SINCE:
            return f"{path} is uv {version}; client certificates take uv 0.2.11 or newer."
        return Uv(path, version)

    def expect_refusal(self, shown: Sequence[str], program: str, ca_variable: str) -> None:
        """Run a tool by itself; raise MtlsRunError unless it is refused for want of a certificate.

        `shown` is the command as the story shows it, `program` the path of its first word.
        """
        self.index.take_refusal(within=0)
        outcome = self._run(shown, [program, *shown[1:]], {ca_variable: "ca.pem"})
        reason = self.index.take_refusal(within=_LOG_SECONDS)
        if outcome.status == 0 or self.index.take_visits():
            raise MtlsRunError(
                f"the index let {shown[0]} in without a client certificate", hint=_ABOVE
            )
        if reason is None:
            raise MtlsRunError(f"{shown[0]} failed before it reached the index", hint=_ABOVE)
        self.story.refused(f'refused; the index says why: "{reason}"')

    def expect_installation(self, shown: Sequence[str]) -> None:
        """Run a tool through mtls-run; raise MtlsRunError unless it ends well, by this index."""
        outcome = self._run(["mtls-run", *shown], [*_this_program(), *shown])
        command = f"mtls-run {shown[0]}"
        if outcome.status != 0:
            raise MtlsRunError(f"{command} ended with status {outcome.status}", hint=_ABOVE)
        visits = self.index.take_visits()
        if not visits:
            raise MtlsRunError(f"{command} never reached the index", hint=_ABOVE)
        subjects = " and ".join(sorted({visit.subject for visit in visits}))
        programs = " and ".join(sorted({visit.program for visit in visits}))
        self.story.good(
            f"installed; the index saw {subjects} in {len(visits)} requests by {programs}"
        )

    def expect_greeting(self, venv: Venv) -> None:
        """Import the package in an environment; raise MtlsRunError unless it gives its greeting."""
        outcome = self._run(
            [venv.python, "-c", _PRINT_GREETING],
            # Isolated: the package counts only if this very environment has it.
            [venv.program("python"), "-I", "-c", _PRINT_GREETING],
        )
        if outcome.status != 0 or GREETING not in outcome.lines:
            raise MtlsRunError(f"the package cannot be imported in {venv.name}", hint=_ABOVE)

    def _run(
        self, shown: Sequence[str], argv: Sequence[str], more: Mapping[str, str] | None = None
    ) -> Outcome:
        """Show a command and what it answers; `argv` is what really runs, with `more` variables."""
        variables = "".join(f"{name}={value} " for name, value in (more or {}).items())
        words = " ".join(f'"{word}"' if " " in word else word for word in shown)
        self.story.command(variables + words)
        return run_child(
            argv,
            env={**self.env, **(more or {})},
            cwd=self.root,
            seconds=_INSTALL_SECONDS,
            on_line=self.story.output,
        )

    def _run_quietly(self, argv: Sequence[str], seconds: float) -> Outcome:
        """Run a command that is no part of the story."""
        return run_child(argv, env=self.env, cwd=self.root, seconds=seconds)


def _this_program() -> list[str]:
    """Return the command that starts this very mtls-run, isolated where this one is."""
    isolated = ["-I"] if sys.flags.isolated else []
    return [sys.executable, *isolated, "-m", "mtls_run"]
