"""Which pip an interpreter imports, and everything that another answer would follow from.

`pip install --user -U pip` puts a new pip before the old one and changes no file of the old one. So
the answer rests on every place that Python searches, on what is absent there as well.
"""

from __future__ import annotations

import os
import subprocess

from mtls_run.cache.dependencies import Dependencies
from mtls_run.tools.python import is_interpreter, program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mtls_run.tools.base import ToolCall

# Run by pip's own interpreter. It imports only `sys`, which is built in: with -c, Python searches
# the current directory first. The user's site directory is searched as soon as it exists.
_SEARCH_PATH = """
import sys
path = [entry for entry in sys.path if entry]
site = sys.modules.get("site")
if site and site.ENABLE_USER_SITE is not None:
    path.append(site.getusersitepackages())
sys.stdout.buffer.write("\\0".join(path).encode(sys.getfilesystemencoding(), "surrogateescape"))
"""
_SECONDS = 30.0
# They choose a Python by directory and by variables of their own.
LAUNCHERS = ("py", "pyw")
# `site` imports these at the start, and what they do decides what is imported.
AT_START = ("sitecustomize", "usercustomize")
_DECIDING = ("pip", *AT_START)


def rests_on(
    call: ToolCall, path: str, answer: str, environ: Mapping[str, str]
) -> Dependencies | None:
    """Return what the answer `pip X from DIRECTORY (python Y)` rests on.

    None for a wrapper other than pip's own script, such as a version manager's, and for an
    interpreter that does not say where it searches.
    """
    home = location(answer)
    found = None if home is None else searched(call, path, environ, _DECIDING)
    if home is not None and found is not None:
        found.file(os.path.join(home, "__init__.py"))
    return found


def searched(
    call: ToolCall,
    path: str,
    environ: Mapping[str, str],
    deciding: Collection[str],
    suffix: str | None = None,
) -> Dependencies | None:
    """Return all that decides which of these modules the call's Python imports, or None.

    `suffix` notes the names that end with it besides: those of `.dist-info` have a version.
    """
    found = Dependencies()
    started = interpreter(call, path, found)
    if started is None:
        return None
    command, first = started
    binary = found.target(command[0])
    with open(binary, "rb") as file:
        if file.read(2) == b"#!":
            return None  # pyenv's and asdf's python is a script and chooses by directory
    found.status(binary)
    for folder in (os.path.dirname(command[0]), os.path.dirname(os.path.dirname(command[0]))):
        found.file(os.path.join(folder, "pyvenv.cfg"))
    search_path = _search_path(command, environ)
    if search_path is None:
        return None
    for entry in dict.fromkeys([first, *search_path]):
        if os.path.isfile(entry):
            found.file(entry)  # a zip file or a wheel
        for name in found.names(entry, deciding, ".pth"):
            if name.endswith((".pth", ".py")):
                found.file(os.path.join(entry, name))
        if suffix is not None:
            found.names(entry, (), suffix)
    return found


def location(answer: str) -> str | None:
    """Return the directory of the pip that answered `pip X from DIRECTORY (python Y)`."""
    _, found, rest = answer.strip().partition(" from ")
    directory, python, _ = rest.rpartition(" (python ")
    return directory if found and python else None


def interpreter(call: ToolCall, path: str, found: Dependencies) -> tuple[list[str], str] | None:
    """Return the command that starts pip's Python, and the directory that it searches first."""
    if len(call.prefix) > 1:
        *options, dash_m, _ = call.prefix[1:] if len(call.prefix) > 2 else ("", "", "")  # noqa: PLR2004
        name = program_name(os.path.realpath(path))
        if dash_m != "-m" or not is_interpreter(name) or name in LAUNCHERS:
            return None  # such as -Im, where options and module are one word
        return [path, *options], os.getcwd()
    script = found.target(path)
    found.file(script)
    words = _first_line(script)
    if not words or not words[0].startswith("/"):
        return None
    if not is_interpreter(program_name(words[0])):
        return None
    return words, os.path.dirname(script)


def _first_line(script: str) -> list[str]:
    """Return the interpreter and options that a script's first lines name.

    There are two forms that pip writes: `#!/path/python`, and for long paths a line of sh.
    """
    with open(script, "rb") as file:
        lines = file.read(1024).decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith("#!"):
        return []
    words = lines[0][2:].split()
    if words[:1] == ["/bin/sh"] and len(lines) > 1 and lines[1].startswith("'''exec'"):
        quoted = lines[1][len("'''exec'") :].strip().split('"')
        return [quoted[1]] if not quoted[0] and len(quoted) > 1 else quoted[0].split()[:1]
    return words


def _search_path(command: Sequence[str], environ: Mapping[str, str]) -> list[str] | None:
    """Return the directories that this Python searches for modules, without the first."""
    try:
        done = subprocess.run(
            [*command, "-c", _SEARCH_PATH],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=True,
            env=dict(environ),
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout).split("\0")
