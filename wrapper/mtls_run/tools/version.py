"""The version of a tool: asked of the tool itself, and cached with all that the answer rests on."""

from __future__ import annotations

import os
import subprocess

from mtls_run.cache import results
from mtls_run.cache.dependencies import Dependencies, unchanged
from mtls_run.errors import ToolError
from mtls_run.system.digests import sha256
from mtls_run.tools.python import program_name
from mtls_run.tools.which import cannot_start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mtls_run.tools.base import Tool, ToolCall, Version

SECONDS = 30.0
_KIND = "version"


def ask(
    tool: Tool,
    call: ToolCall,
    path: str,
    environ: Mapping[str, str],
    rests_on: Dependencies | None = None,
) -> Version:
    """Return the version of the tool at `path` that `call` starts.

    What the answer rests on is added to `rests_on`; without it, nothing but `--version` is run.
    Raises ToolError where the tool does not answer `--version` as it should.
    """
    key = _key(tool, call, path, environ)
    known = _find(key)
    if known is not None:
        version, states = known
        if rests_on is not None:
            rests_on.also(states)
        return version
    said = answer([path, *call.prefix[1:], "--version"], environ)
    parsed = tool.parse_version(said)
    if parsed is None:
        shown = (said.splitlines() or [""])[0][:80]
        raise ToolError(
            f"{path} --version does not answer as {call.kind} does: {shown!r}",
            hint=f"if it is another program, run it as one: mtls-run -- {path} …",
        )
    if rests_on is None:
        return parsed
    try:
        found = tool.version_rests_on(call, path, said, environ)
    except OSError:
        found = None
    if found is None or not found.reusable:
        rests_on.forbid_reuse()
    else:
        rests_on.also(found.states)
        fields = [part for (kind, at), state in found.states.items() for part in (kind, at, state)]
        results.store(_KIND, key, [".".join(map(str, parsed)), *fields])
    return parsed


def answer(command: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what the command prints; raises ToolError where it fails or does not end."""
    name = " ".join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=dict(environ),
        )
    except subprocess.TimeoutExpired:
        raise ToolError(
            f"`{name}` did not answer within {SECONDS:.0f} s",
            hint="run it by itself to see what it waits for",
        ) from None
    except OSError as error:
        raise cannot_start(command[0], error) from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ToolError(
            f"`{name}` ended with status {done.returncode}" + (f": {lines[-1]}" if lines else ""),
            hint="reinstall the tool: it does not work by itself",
        )
    return done.stdout.decode("utf-8", "replace")


def of_binary(path: str, names: Collection[str]) -> Dependencies | None:
    """Return what the version of a binary rests on, or None where it may be another each time.

    A script, or a link to a program not of these names, chooses by directory: mise's uv is a link
    to mise, and pyenv's is a script. Raises OSError.
    """
    found = Dependencies()
    binary = found.target(path)
    with open(binary, "rb") as file:
        is_script = file.read(2) == b"#!"
    if is_script or program_name(os.path.basename(binary)) not in names:
        return None
    found.status(binary)
    return found


def _key(tool: Tool, call: ToolCall, path: str, environ: Mapping[str, str]) -> str:
    """Return the key of a cached answer: the call, the directory, and the tool's variables."""
    try:
        directory = os.getcwd()
    except OSError:
        directory = ""
    prefixes = tuple(tool.PREFIXES_READ)
    variables = sorted(
        item for item in environ.items() if item[0] == "HOME" or item[0].startswith(prefixes)
    )
    asked = repr((call.kind, path, call.prefix, directory, variables))
    return sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _find(key: str) -> tuple[Version, dict[tuple[str, str], str]] | None:
    """Return a cached answer and what it rests on, where all of that is as it was."""
    version, *fields = results.find(_KIND, key) or [""]
    states = list(zip(fields[::3], fields[1::3], fields[2::3]))
    try:
        numbers = tuple(map(int, version.split(".")))
    except ValueError:
        return None
    if not states or not unchanged(states):
        return None
    return numbers, {(kind, path): state for kind, path, state in states}
