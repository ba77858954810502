"""Real shells, none of which reads a file of its own, and the code of `mtls-run init` in them."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.terminal import session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _pytest.mark.structures import ParameterSet

    from tests.sandbox import Sandbox
    from tests.terminal import Terminal

COMMANDS = {
    "bash": ("bash", "--norc", "--noprofile"),
    "zsh": ("zsh", "-f"),
    "fish": ("fish", "--no-config"),
    "dash": ("dash",),
    "busybox": ("busybox", "sh"),
}
WITH_CODE = ("bash", "zsh", "fish")
TOOLS = ("pip", "pip3", "uv", "uvx")
# Layers between what is typed and the tool, for each shell; a plain sh has no functions of ours.
MOST = [*((shell, "both") for shell in WITH_CODE), ("dash", "shim")]
REST = [*((shell, layer) for shell in WITH_CODE for layer in ("function", "shim"))]
REST += [("busybox", "shim")]


def in_slow_tier(*values: str) -> ParameterSet:
    """Return these values as a parameter of tests that the default command leaves out."""
    return pytest.param(*values, marks=pytest.mark.slow)


each_shell = pytest.mark.parametrize("shell", WITH_CODE)
each_layer = pytest.mark.parametrize(("shell", "layer"), [*MOST, *REST])
each_layer_slowly = pytest.mark.parametrize(
    ("shell", "layer"), [*MOST, *(in_slow_tier(*layer) for layer in REST)]
)


@functools.cache
def code(shell: str, *options: str) -> str:
    """Return what `mtls-run init` prints for this shell."""
    program = Path(sys.executable).parent / "mtls-run"
    command = [str(program), "init", shell, *options]
    done = subprocess.run(command, env={"HOME": "/"}, capture_output=True, text=True, check=True)
    return done.stdout


def code_file(sandbox: Sandbox, shell: str, *options: str) -> Path:
    """Write the shell's code into the home directory and return the file."""
    return sandbox.write(f"init.{shell}", code(shell, *options))


@functools.cache
def _installed() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        program = Path(sys.executable).parent / "mtls-run"
        command = [str(program), "shims", "install", "--dir", folder]
        subprocess.run(command, env={"HOME": "/"}, capture_output=True, check=True)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def shims(sandbox: Sandbox) -> Path:
    """Put what `mtls-run shims install` makes into the default directory, and return it."""
    folder = sandbox.root / "data" / "mtls-run" / "shims"
    for name, content in _installed().items():
        sandbox.write(folder / name, content, mode=0o755)
    return folder


def before(sandbox: Sandbox, *folders: Path) -> str:
    """Return a PATH that has these directories before the sandbox's own."""
    return ":".join([*map(str, folders), sandbox.env["PATH"]])


def arguments(shell: str) -> str:
    """Return what a script of this shell writes for all of its own arguments."""
    return "$argv" if shell == "fish" else '"$@"'


def status(shell: str) -> str:
    """Return what a script of this shell writes for the status of the last command."""
    return "$status" if shell == "fish" else "$?"


def run(
    sandbox: Sandbox,
    shell: str,
    script: str,
    *args: str,
    sources: Sequence[Path] = (),
    env: Mapping[str, str | None] | None = None,
    input: str | None = None,  # the name that subprocess gave it
) -> subprocess.CompletedProcess[str]:
    """Run a script in a shell that has read these files before."""
    lines = [f". {source}" for source in sources]
    name = ["--"] if shell == "fish" else [shell]
    command = [*COMMANDS[shell], "-c", "\n".join([*lines, script]), *name, *args]
    return sandbox.execute(command, env=env, input=input)


def run_layer(
    sandbox: Sandbox,
    shell: str,
    layer: str,
    script: str,
    *args: str,
    env: Mapping[str, str | None] | None = None,
    input: str | None = None,  # the name that subprocess gave it
) -> subprocess.CompletedProcess[str]:
    """Run a script with this layer between it and the tools: function, shim or both."""
    changes = dict(env or {})
    if layer != "function":
        changes.setdefault("PATH", before(sandbox, shims(sandbox)))
    sources = [] if layer == "shim" else [code_file(sandbox, shell)]
    return run(sandbox, shell, script, *args, sources=sources, env=changes, input=input)


READY = "ready> "
_FILES = {
    "bash": f"PS1='{READY}'\n",
    "zsh": f"PROMPT='{READY}'\n",
    "fish": f"function fish_prompt; printf '{READY}'; end\nset -g fish_greeting\n",
    "dash": f"PS1='{READY}'\n",
}


@contextlib.contextmanager
def typing(
    sandbox: Sandbox,
    shell: str,
    text: str = "",
    env: Mapping[str, str | None] | None = None,
) -> Iterator[Terminal]:
    """Sit at a terminal in an interactive shell whose own file has this text."""
    text = f"{text}\n{_FILES[shell]}"
    if shell == "bash":
        command = ["bash", "--noprofile", "--rcfile", str(sandbox.write(".bashrc", text)), "-i"]
    elif shell == "zsh":
        sandbox.write(".zshrc", text)
        command = ["zsh", "-d", "-i"]
    elif shell == "fish":
        sandbox.write(sandbox.root / "config/fish/config.fish", text)
        # Where this is missing, fish reads all manual pages in the background.
        (sandbox.root / "data/fish/generated_completions").mkdir(parents=True, exist_ok=True)
        command = ["fish", "-i"]
    else:
        env = {**(env or {}), "ENV": str(sandbox.write(".shrc", text))}
        command = ["dash", "-i"]
    with session(sandbox, *command, env=env, timeout=60) as terminal:
        terminal.expect(READY)
        yield terminal


def enter(terminal: Terminal, line: str) -> None:
    """Type a line and wait until it was run: not for a prompt, which Tab may show again."""
    terminal.type(f"{line}; echo d''one")
    terminal.expect("done")
    terminal.expect(READY)


def last_status(terminal: Terminal, shell: str) -> int:
    """Ask the shell, once it is ready, for the status of the last command."""
    terminal.type(f"echo st''atus={status(shell)}")
    found = terminal.expect(r"status=\d+")
    terminal.expect(READY)
    return int(found.partition("=")[2])
