"""Wrappers and version managers that lead back to mtls-run: the tool is found, and once.

`tests/unit/test_recursion_guard.py` has the counting itself.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import alice, failed, locked, ready, write_profile
from tests.shells import before, code_file, in_slow_tier, run, shims

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.sandbox import FakeTool, Sandbox

WRAPPERS = {
    "sh": '#!/bin/sh\nexec mtls-run uv "$@"\n',
    "sh with words": '#!/bin/sh\nexec mtls-run -q uv --quiet "$@"\n',
    "any program": '#!/bin/sh\nexec mtls-run -- uv "$@"\n',
    "python": f"#!{sys.executable} -I\n"
    "import os, sys\nos.execvp('mtls-run', ['mtls-run', 'uv', *sys.argv[1:]])\n",
    "by a variable": '#!/usr/bin/env bash\nmtls_run=mtls-run\nexec "$mtls_run" uv "$@"\n',
}
# What pyenv's shim, `pyenv exec` and `pyenv which` do, without what does not matter here: of the
# versions, `system` is what PATH has without pyenv's own shims.
PYENV = """#!/usr/bin/env bash
set -e
program=${0##*/}
root=ROOT
if [[ $PYENV_VERSION != system ]]; then
  command=$root/versions/$PYENV_VERSION/bin/$program
  export PATH="${command%/*}:$PATH"
else
  remove_from_path() {
    local path_before path_after result=":${PATH//\\~/$HOME}:"
    until [[ $path_before == "$result" ]]; do
      path_before=$result
      result=${result//":$1:"/:}
    done
    result=${result%:}
    echo "${result#:}"
  }
  command=$(PATH=$(remove_from_path "$root/shims") command -v "$program")
fi
exec "$command" "$@"
"""
# asdf hands the PATH without its shims on to the tool.
ASDF = """#!/usr/bin/env bash
# asdf-plugin: uv 0.1
program=${0##*/}
PATH=$(sed -e "s|ROOT/shims||g; s|::|:|g; s|^:||" <<<"$PATH")
export PATH
exec "$(command -v "$program")" "$@"
"""


@pytest.fixture
def uv(sandbox: Sandbox) -> FakeTool:
    """Return the tool itself, the last on PATH, where mtls-run is too."""
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    return sandbox.fake_tool("uv")


def program(sandbox: Sandbox, path: str, text: str) -> Path:
    """Write a program below the home directory and return its directory."""
    return sandbox.write(path, text, mode=0o755).parent


def typed(
    sandbox: Sandbox, line: str, *folders: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    """Type a line in a shell that has our functions, with these directories first on PATH."""
    env["PATH"] = before(sandbox, *folders)
    return run(sandbox, "bash", line, sources=[code_file(sandbox, "bash")], env=env)


def assert_ran(done: subprocess.CompletedProcess[str], tool: FakeTool, *args: str) -> None:
    """Fail unless the tool ran once, with these arguments and the identity."""
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 1
    assert tool.seen().argv == [os.fsencode(word) for word in (str(tool.path), *args)]
    assert tool.seen().get("SSL_CLIENT_CERT") is not None


@pytest.mark.parametrize("line", ["uv lock 'a b' ''", in_slow_tier("mtls-run uv lock 'a b' ''")])
@pytest.mark.parametrize(
    "wrapper", ["sh", "python", *map(in_slow_tier, ("any program", "by a variable"))]
)
def test_wrapper(sandbox: Sandbox, uv: FakeTool, wrapper: str, line: str) -> None:
    """A user's own `uv` that becomes `mtls-run uv` does not meet itself."""
    ready(sandbox)
    folder = program(sandbox, "wrappers/uv", WRAPPERS[wrapper])
    assert_ran(typed(sandbox, line, folder), uv, "lock", "a b", "")


def test_wrapper_typed_bare(sandbox: Sandbox, uv: FakeTool) -> None:
    """Such a wrapper serves without our functions too: it is started first."""
    ready(sandbox)
    folder = program(sandbox, "wrappers/uv", WRAPPERS["sh"])
    assert_ran(typed(sandbox, "command uv lock", folder), uv, "lock")


def test_wrapper_that_adds_words(sandbox: Sandbox, uv: FakeTool) -> None:
    """Words that a wrapper puts before those that it was given reach the tool, once."""
    ready(sandbox)
    folder = program(sandbox, "wrappers/uv", WRAPPERS["sh with words"])
    assert_ran(typed(sandbox, "uv lock", folder), uv, "--quiet", "lock")


def test_wrapper_over_a_shim(sandbox: Sandbox, uv: FakeTool) -> None:
    """Function, wrapper, shim, wrapper again by a link, and the tool."""
    ready(sandbox)
    folder = program(sandbox, "wrappers/uv", WRAPPERS["sh"])
    (sandbox.home / "links").mkdir()
    (sandbox.home / "links/uv").symlink_to(folder / "uv")
    done = typed(sandbox, "uv lock", folder, shims(sandbox), sandbox.home / "links")
    assert_ran(done, uv, "lock")


@pytest.mark.parametrize("second", ["sh", in_slow_tier("python")])
def test_two_wrappers(sandbox: Sandbox, uv: FakeTool, second: str) -> None:
    """Two of them, each of which would find the other, are both passed."""
    ready(sandbox)
    folders = [
        program(sandbox, "one/uv", WRAPPERS["sh"]),
        program(sandbox, "two/uv", WRAPPERS[second]),
    ]
    assert_ran(typed(sandbox, "mtls-run uv lock", *folders), uv, "lock")


def test_wrapper_of_a_path(sandbox: Sandbox, uv: FakeTool) -> None:
    """A path that is named is what is run, also where it leads back: the tool is after it."""
    ready(sandbox)
    folder = program(sandbox, "wrappers/uv", WRAPPERS["sh"])
    assert_ran(typed(sandbox, f"mtls-run {folder}/uv lock", folder), uv, "lock")


@pytest.mark.slow
def test_child_for_ever(sandbox: Sandbox, uv: FakeTool) -> None:
    """A wrapper that starts mtls-run as its child cannot be told from a run of its own: 25."""
    folder = program(sandbox, "wrappers/uv", '#!/bin/sh\nmtls-run -q uv "$@"\nexit $?\n')
    done = typed(sandbox, "mtls-run -q uv lock", folder)
    fact = f"mtls-run was started 25 times inside itself, by {folder}/uv the last time"
    failed(done, fact, "name the program itself: mtls-run PATH-OF-uv")
    assert uv.runs == 0


@pytest.mark.slow
def test_words_after_for_ever(sandbox: Sandbox, uv: FakeTool) -> None:
    """Words after those that were given make it another command line, and that ends too."""
    folder = program(sandbox, "wrappers/uv", '#!/bin/sh\nexec mtls-run -q uv "$@" -x\n')
    done = typed(sandbox, "mtls-run -q uv lock", folder)
    failed(done, "mtls-run was started 25 times inside itself", "PATH-OF-uv")
    assert uv.runs == 0


def test_mtls_run_under_the_name_of_a_tool(sandbox: Sandbox, uv: FakeTool) -> None:
    """A link called uv that leads to mtls-run is not what `mtls-run uv` runs."""
    ready(sandbox)
    (sandbox.home / "links").mkdir()
    (sandbox.home / "links/uv").symlink_to(sandbox.program)
    assert_ran(typed(sandbox, "mtls-run uv lock", sandbox.home / "links"), uv, "lock")


@pytest.mark.parametrize("line", ["uv", in_slow_tier("command uv"), in_slow_tier("mtls-run uv")])
@pytest.mark.parametrize("manager", ["pyenv", "asdf"])
@pytest.mark.parametrize(
    "order", [in_slow_tier("its shims first"), "ours first", in_slow_tier("ours twice")]
)
def test_version_manager(
    sandbox: Sandbox, uv: FakeTool, manager: str, order: str, line: str
) -> None:
    """Shims of pyenv's and asdf's kind, which look along PATH for the system's tool."""
    ready(sandbox)
    root = sandbox.home / manager
    text = {"pyenv": PYENV, "asdf": ASDF}[manager].replace("ROOT", str(root))
    theirs, ours = program(sandbox, f"{manager}/shims/uv", text), shims(sandbox)
    orders = {
        "its shims first": [theirs, ours],
        "ours first": [ours, theirs],
        "ours twice": [ours, theirs, ours],
    }
    assert_ran(typed(sandbox, f"{line} lock", *orders[order], PYENV_VERSION="system"), uv, "lock")


def test_version_of_a_version_manager(sandbox: Sandbox, uv: FakeTool) -> None:
    """The version that pyenv has for this directory is run, not the system's."""
    ready(sandbox)
    root = sandbox.home / "pyenv"
    theirs = program(sandbox, "pyenv/shims/uv", PYENV.replace("ROOT", str(root)))
    chosen = sandbox.fake_tool("uv", folder=root / "versions/3.12/bin")
    done = typed(sandbox, "uv lock", shims(sandbox), theirs, PYENV_VERSION="3.12")
    assert_ran(done, chosen, "lock")
    assert uv.runs == 0


@pytest.mark.parametrize(
    "ours", ["no shim of ours", *map(in_slow_tier, ("our shim first", "our shim last"))]
)
def test_python_of_a_version_manager(sandbox: Sandbox, uv: FakeTool, ours: str) -> None:
    """`python -m pip` where python is such a shim: the system's python, and `-m pip` once."""
    python = sandbox.fake_tool("python")
    root = sandbox.home / "pyenv"
    theirs = program(sandbox, "pyenv/shims/python", PYENV.replace("ROOT", str(root)))
    folders = [theirs]
    if ours != "no shim of ours":
        assert sandbox.run("shims", "install", "--tool", "python").returncode == 0
        own = sandbox.root / "data/mtls-run/shims"
        folders = [own, theirs] if ours == "our shim first" else [theirs, own]
    line = "mtls-run python -m pip install x" if ours == "no shim of ours" else "python -m pip list"
    done = typed(sandbox, line, *folders, PYENV_VERSION="system")
    assert done.returncode == 0, done.stderr
    assert python.runs == 1
    assert [*python.seen().args[:2], uv.runs] == [b"-m", b"pip", 0]


def test_shell_inside_a_shell(sandbox: Sandbox, uv: FakeTool) -> None:
    """`mtls-run -- bash` that becomes another: the same bash, which nothing led back to."""
    inner = "exec mtls-run -- bash -c 'echo $BASH; exec mtls-run uv lock'"
    done = typed(sandbox, f"mtls-run -- bash -c {shlex.quote(f'echo $BASH; {inner}')}")
    assert done.returncode == 0, done.stderr
    one, two = done.stdout.splitlines()
    assert one == two
    assert uv.seen().args == [b"lock"]


@pytest.mark.parametrize("how", ["python build.py", in_slow_tier("./build.py")])
@pytest.mark.parametrize("layer", ["typed", in_slow_tier("shim")])
def test_build_script(sandbox: Sandbox, uv: FakeTool, how: str, layer: str) -> None:
    """A script that becomes `mtls-run python -m pip` gets the very python that it runs under."""
    python = program(sandbox, "venv/bin/python", f'#!/bin/sh\nexec {sys.executable} -I "$@"\n')
    later = sandbox.fake_tool("python")
    text = "import os, sys\nprint(os.environ['_PYTHON'])\nsys.stdout.flush()\n"
    text += "os.execvp('mtls-run', ['mtls-run', 'python', '-m', 'pip', '--version'])\n"
    sandbox.write("build.py", f"#!{sys.executable}\n{text}", mode=0o755)
    folders = [python]
    if layer == "shim":
        done = sandbox.run("shims", "install", "--tool", "python")
        assert done.returncode == 0
        folders = [sandbox.root / "data/mtls-run/shims", python]
    command = f"mtls-run -q -- {how}" if layer == "typed" else how
    done = typed(sandbox, command, *folders, _PYTHON="begun")
    assert done.returncode == 0, done.stderr
    begun, version = done.stdout.splitlines()
    assert begun == "begun"
    assert version.startswith("pip ")
    assert (later.runs, later.version_questions, uv.runs) == (0, 0, 0)


def passphrase_from(sandbox: Sandbox, *words: str) -> FakeTool:
    """Have the passphrase come from a command, with shims first on PATH; return uvx behind them."""
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    locked(sandbox, "correct horse")
    command = ", ".join(f'"{word}"' for word in words)
    write_profile(sandbox, f"passphrase = {{ command = [{command}] }}")
    sandbox.env["PATH"] = before(sandbox, shims(sandbox))
    sandbox.env["FAKE_STDOUT"] = "correct horse"
    return sandbox.fake_tool("uvx")


CIRCLE = (
    "mtls-run: error: the passphrase command of profile corp starts mtls-run, "
    "which needs the passphrase of profile corp\n"
)


@pytest.mark.parametrize(
    "words",
    [("uvx", "vault"), ("mtls-run", "--", "uvx", "vault"), ("sh", "-c", "uvx vault; exit 1")],
    ids=["shim", "mtls-run", "shell"],
)
def test_passphrase_command_behind_a_shim(sandbox: Sandbox, words: tuple[str, ...]) -> None:
    """A passphrase command that needs the same passphrase ends at once, and is named."""
    uvx, pip = passphrase_from(sandbox, *words), sandbox.fake_tool("pip")
    done = sandbox.run("pip", "download", "x")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith(CIRCLE)
    assert done.stderr.count("mtls-run: error: ") == 2
    assert f'command = ["env", "MTLS_RUN_DISABLE=1", "{words[0]}", …]' in done.stderr
    assert (uvx.runs, pip.runs) == (0, 0)


def test_passphrase_command_without_mtls_run(sandbox: Sandbox) -> None:
    """What the hint says works: the shim passes the command on as it is."""
    uvx = passphrase_from(sandbox, "env", "MTLS_RUN_DISABLE=1", "uvx", "vault")
    pip = sandbox.fake_tool("pip")
    done = sandbox.run("pip", "download", "x")
    assert (done.returncode, done.stderr) == (0, "")
    assert (uvx.runs, pip.runs) == (1, 1)
    assert pip.seen().files["SSL_CLIENT_CERT"] == alice().pem()
    assert uvx.seen().get("SSL_CLIENT_CERT") is None


def test_passphrase_command_that_needs_no_identity(sandbox: Sandbox) -> None:
    """A shim in the command does no harm where its tool uses no network."""
    uvx = passphrase_from(sandbox, "uvx", "--help")
    pip = sandbox.fake_tool("pip")
    assert sandbox.run("pip", "download", "x").returncode == 0
    assert (uvx.runs, pip.runs) == (1, 1)


@pytest.mark.parametrize(
    ("source", "circle"),
    [
        ('{ command = ["mtls-run", "-p", "corp", "uvx", "vault"] }', True),
        ('{ env = "LAB" }', False),
    ],
    ids=["back", "on"],
)
def test_passphrase_command_with_another_profile(
    sandbox: Sandbox, source: str, *, circle: bool
) -> None:
    """The command may use another profile, but not one that needs the first."""
    uvx = passphrase_from(sandbox, "mtls-run", "-p", "lab", "uvx", "vault")
    pip = sandbox.fake_tool("pip")
    config = sandbox.config_file.read_text()
    sandbox.write_config(f'{config}[profiles.lab]\nextends = "corp"\npassphrase = {source}\n')
    done = sandbox.run("pip", "download", "x", env={"LAB": "correct horse"})
    assert done.returncode == (125 if circle else 0), done.stderr
    assert done.stderr.startswith(CIRCLE) == circle
    assert (uvx.runs, pip.runs) == ((0, 0) if circle else (1, 1))
