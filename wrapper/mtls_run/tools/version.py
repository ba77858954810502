"""The version of a tool: asked of the tool itself, and remembered by what answered.

Remembered by the files that make up the answer (for uv the binary; for pip the script, its
interpreter and pip's own `__init__.py`), so that an upgrade is noticed on the very next run. What
chooses by directory, as the shims of pyenv and mise do, is asked each time.
"""

from __future__ import annotations

import os

from mtls_run.cache import dependencies, results
from mtls_run.errors import ToolError
from mtls_run.system.digests import sha256
from mtls_run.tools import pip, uv
from mtls_run.tools.python import is_interpreter, program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.tools.base import Adapter, ToolCall, Version

PATIENCE = 30.0
_KIND = "version"
# What else decides which pip an interpreter imports.
_PYTHON_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE", "HOME")


def of_tool(call: ToolCall, path: str, adapter: Adapter, environ: Mapping[str, str]) -> Version:
    """Return the version of the tool at `path` that `call` starts.

    Raises ToolError where it does not answer `--version` as such a tool does.
    """
    answering = _answering_files(call, path)
    for name in (path, *(answering or ())):
        dependencies.file(name)
    key = _key(call, path, answering, environ)
    if answering is not None:
        remembered = _recall(key)
        if remembered is not None:
            return remembered
    else:
        dependencies.unkeepable()
    output = _ask([path, *call.prefix[1:], "--version"], environ)
    version = adapter.parse_version(output)
    if version is None:
        shown = (output.splitlines() or [""])[0][:80]
        raise ToolError(
            f"{path} --version does not answer as {call.kind} does: {shown!r}",
            hint=f"if it is another program, run it as one: mtls-run -- {path} …",
        )
    if answering is not None:
        if call.kind == pip.KIND:
            home = pip.location(output)
            answering = [*answering, os.path.join(home, "__init__.py")] if home else None  # noqa: PTH118
        if answering is not None:
            dependencies.file(answering[-1])
            _remember(key, version, answering)
        else:
            dependencies.unkeepable()
    return version


def _ask(command: Sequence[str], environ: Mapping[str, str]) -> str:
    import subprocess  # noqa: PLC0415 - most answers are remembered

    name = " ".join([command[0], *command[1:]])
    try:
        answer = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            env=dict(environ),
        )
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"`{name}` gave no answer within {PATIENCE:.0f} s",
            hint="run it by itself to see what it waits for",
        ) from None
    except OSError as error:
        from mtls_run.launch import cannot_start  # noqa: PLC0415

        raise cannot_start(command[0], error) from None
    if answer.returncode != 0:
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ToolError(
            f"`{name}` ended with status {answer.returncode}" + (f": {said[-1]}" if said else ""),
            hint="the tool itself does not work; mend its installation",
        )
    return answer.stdout.decode("utf-8", "replace")


def _answering_files(call: ToolCall, path: str) -> list[str] | None:
    """Return the files that decide the answer, or None where it is asked anew each time."""
    final = os.path.realpath(path)
    name = program_name(final)
    script = _first_bytes(final)
    if script is None:
        return None
    if call.kind == uv.KIND and len(call.prefix) == 1:
        # mise's uv is a link to mise, and pyenv's is a script: both choose by directory.
        return [final] if name in ("uv", "uvx") and not script.startswith(b"#!") else None
    if call.kind != pip.KIND:
        return None
    if len(call.prefix) > 1:
        # `python -m pip` also looks into the current directory.
        if not is_interpreter(name) or script.startswith(b"#!") or _shadowed():
            return None
        return [path, final]
    interpreter = _interpreter_of(script)
    return [final, interpreter, os.path.realpath(interpreter)] if interpreter else None


def _first_bytes(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(1024)
    except OSError:
        return None


def _shadowed() -> bool:
    for name in ("pip", "pip.py"):
        dependencies.file(name)
    return any(os.path.exists(name) for name in ("pip", "pip.py"))  # noqa: PTH110


def _interpreter_of(script: bytes) -> str | None:
    """Return the Python that a script's first lines name by its path, or None.

    Two forms, as pip writes them: `#!/path/python`, and for long paths a line of sh that execs it.
    """
    lines = script.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].startswith("#!"):
        return None
    words = lines[0][2:].split()
    if words and words[0] == "/bin/sh" and len(lines) > 1 and lines[1].startswith("'''exec'"):
        words = lines[1][len("'''exec'") :].strip().split('"')
        words = [words[1]] if not words[0] and len(words) > 1 else words[0].split()
    if not words or not words[0].startswith("/") or not is_interpreter(program_name(words[0])):
        return None
    return words[0]


def _key(
    call: ToolCall, path: str, answering: Sequence[str] | None, environ: Mapping[str, str]
) -> str:
    """Return what an answer is remembered by; a link that leads elsewhere now is another."""
    variables = [(name, environ.get(name)) for name in _PYTHON_VARIABLES]
    said = repr((call.kind, path, call.prefix[1:], tuple(answering or ()), variables))
    return sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _recall(key: str) -> Version | None:
    """Return what is remembered, where every file that it rests on is as it was."""
    fields = results.recall(_KIND, key) or [""]
    shown, files, stamps = fields[0], fields[1::2], fields[2::2]
    if not files or [dependencies.stamp(dependencies.FILE, path) for path in files] != stamps:
        return None
    for path in files:
        dependencies.file(path)
    try:
        return tuple(map(int, shown.split(".")))
    except ValueError:
        return None  # nothing of ours: it is asked


def _remember(key: str, version: Version, files: Sequence[str]) -> None:
    fields = [".".join(map(str, version))]
    for path in files:
        if not os.path.exists(path):  # noqa: PTH110
            return
        fields += [path, dependencies.stamp(dependencies.FILE, path)]
    results.keep(_KIND, key, fields)  # where it cannot be kept, it costs the question once more
