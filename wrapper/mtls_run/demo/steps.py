"""The steps of the demo: make environments, run tools in them, and check how each ends."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mtls_run.demo.index import Index
from mtls_run.demo.programs import Outcome, Programs
from mtls_run.demo.transcript import Transcript
from mtls_run.demo.wheel import GREETING
from mtls_run.errors import MtlsRunError
from mtls_run.shells import own_program

_PRINT_GREETING = "import hello_mtls; print(hello_mtls.greeting())"

_VENV_SECONDS = 180.0
_INSTALL_SECONDS = 90.0
_QUESTION_SECONDS = 20.0
_LOG_SECONDS = 2.0

_UV_SINCE = (0, 2, 11)  # the first that reads SSL_CLIENT_CERT
_ABOVE = "see the lines above; if they do not say why, please report it"


@dataclass(frozen=True)
class Venv:
    """A virtual environment in the demo's directory."""

    root: Path
    name: str

    @property
    def scripts(self) -> str:
        """The directory of its programs, relative to the demo's directory."""
        return f"{self.name}/{'Scripts' if os.name == 'nt' else 'bin'}"

    @property
    def python(self) -> str:
        """Its interpreter, relative to the demo's directory."""
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
class Steps:
    """Runs the steps in a private directory, against an index, and writes a transcript."""

    root: Path
    transcript: Transcript
    index: Index
    env: Mapping[str, str]
    programs: Programs

    def make_venv(self, name: str, *, with_pip: bool) -> Venv:
        """Return a new virtual environment, with the pip that came with this Python or with none.

        Raises MtlsRunError if it cannot be made, or its programs cannot be run there.
        """
        venv = Venv(self.root, name)
        options = [] if with_pip else ["--without-pip"]
        self.transcript.command(" ".join(["python3", "-m", "venv", *options, name]))
        command = [sys.executable, "-I", "-m", "venv", *options, str(self.root / name)]
        made = self._run_quietly(command, _VENV_SECONDS)
        if made.status != 0:
            lines = [line.strip() for line in made.lines if line.strip()] or ["no output"]
            raise MtlsRunError(
                f"{sys.executable} -m venv ended with status {made.status}: {lines[-1]}",
                hint=_ABOVE,
            )
        if with_pip and not os.access(venv.program("pip"), os.X_OK):
            raise MtlsRunError(
                f"cannot run programs in {tempfile.gettempdir()}",
                hint="set TMPDIR to another directory for temporary files",
            )
        return venv

    def with_first_on_path(self, venv: Venv) -> Steps:
        """Return these steps with the environment's programs first on PATH, as if activated."""
        scripts = str(self.root / venv.scripts)
        path = os.pathsep.join([scripts, self.env["PATH"]])
        return replace(self, env={**self.env, "PATH": path})

    def find_uv(self) -> Uv | str:
        """Return the uv on PATH, or a sentence that says why the demo leaves it out."""
        path = shutil.which("uv", path=self.env["PATH"])
        if path is None:
            return "There is no uv on PATH. With one, the demo shows the same for uv."
        try:
            outcome = self._run_quietly([path, "--version"], _QUESTION_SECONDS)
        except MtlsRunError as error:
            return f"The uv on PATH does not answer: {error.fact}."
        found = re.match(r"uv (\d+)\.(\d+)\.(\d+)", "\n".join(outcome.lines))
        if outcome.status != 0 or found is None:
            return f"{path} does not print its version as uv does."
        version = ".".join(found.groups())
        if tuple(int(part) for part in found.groups()) < _UV_SINCE:
            return f"{path} is uv {version}; client certificates need uv 0.2.11 or newer."
        return Uv(path, version)

    def expect_refusal(self, shown: Sequence[str], program: str, ca_variable: str) -> None:
        """Run a tool by itself; raise MtlsRunError unless the index refuses it.

        `shown` is the command in the transcript, `program` the path of its first word.
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
        self.transcript.refused(f'refused; the index says why: "{reason}"')

    def expect_installation(self, shown: Sequence[str]) -> None:
        """Run a tool through mtls-run; raise MtlsRunError unless it installs from the index."""
        outcome = self._run(["mtls-run", *shown], [str(own_program()), *shown])
        command = f"mtls-run {shown[0]}"
        if outcome.status != 0:
            raise MtlsRunError(f"{command} ended with status {outcome.status}", hint=_ABOVE)
        visits = self.index.take_visits()
        if not visits:
            raise MtlsRunError(f"{command} never reached the index", hint=_ABOVE)
        subjects = " and ".join(sorted({visit.subject for visit in visits}))
        programs = " and ".join(sorted({visit.program for visit in visits}))
        self.transcript.good(
            f"installed; the index saw {subjects} in {len(visits)} requests by {programs}"
        )

    def build_key_seeker(self, venv: Venv, *, index: Index, uses_gateway: bool) -> None:
        """Build the sdist through mtls-run; raise MtlsRunError unless it finds what it should."""
        target = "gateway-target" if uses_gateway else "memfd-target"
        options = [] if uses_gateway else ["-p", "by-file"]
        install = ["pip", "install", "-q", "--no-cache-dir", "--target", target]
        install += ["--index-url", index.url, "key-seeker"]
        outcome = self._run(
            ["mtls-run", *options, *install], [str(own_program()), *options, *install]
        )
        if outcome.status != 0:
            raise MtlsRunError(f"mtls-run pip ended with status {outcome.status}", hint=_ABOVE)
        code = (
            f"import sys; sys.path.insert(0, {target!r}); "
            "import key_seeker; print(key_seeker.FOUND)"
        )
        outcome = self._run_quietly([venv.program("python"), "-I", "-c", code], _QUESTION_SECONDS)
        said = outcome.lines[-1] if outcome.lines else "it says nothing"
        if ("found no private key" in said) is not uses_gateway:
            raise MtlsRunError(f"the build backend says: {said}", hint=_ABOVE)
        (self.transcript.good if uses_gateway else self.transcript.refused)(
            f"its build backend says: {said}"
        )

    def expect_nobody(self, shown: Sequence[str], other: Index) -> None:
        """Run a tool through mtls-run against another index; raise if that saw a certificate."""
        self._run(["mtls-run", *shown], [str(own_program()), *shown])
        visits = other.take_visits()
        if not visits:
            raise MtlsRunError(f"mtls-run {shown[0]} never reached the index", hint=_ABOVE)
        seen = {visit.subject for visit in visits if visit.subject}
        if seen:
            raise MtlsRunError(f"the other index saw {' and '.join(seen)}", hint=_ABOVE)
        self.transcript.good(
            f"the other index asked in {len(visits)} requests, and saw no certificate"
        )

    def expect_greeting(self, venv: Venv) -> None:
        """Import the package in an environment; raise MtlsRunError unless it gives its greeting."""
        outcome = self._run(
            [venv.python, "-c", _PRINT_GREETING],
            # Isolated: the package counts only if this very environment has it.
            [venv.program("python"), "-I", "-c", _PRINT_GREETING],
        )
        if outcome.status != 0 or GREETING not in outcome.lines:
            raise MtlsRunError(f"cannot import the package in {venv.name}", hint=_ABOVE)

    def _run(
        self, shown: Sequence[str], argv: Sequence[str], more: Mapping[str, str] | None = None
    ) -> Outcome:
        """Write a command and its output; `argv` is what really runs, with `more` variables."""
        variables = "".join(f"{name}={value} " for name, value in (more or {}).items())
        words = " ".join(f'"{word}"' if " " in word else word for word in shown)
        self.transcript.command(variables + words)
        return self.programs.run(
            argv,
            env={**self.env, **(more or {})},
            cwd=self.root,
            seconds=_INSTALL_SECONDS,
            on_line=self.transcript.output,
        )

    def _run_quietly(self, argv: Sequence[str], seconds: float) -> Outcome:
        """Run a command that the transcript leaves out."""
        return self.programs.run(argv, env=self.env, cwd=self.root, seconds=seconds)
