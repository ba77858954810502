"""`mtls-run profile edit`: edit a copy of the user's file, check it, and replace the file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mtls_run import terminal
from mtls_run.commands import Context, say
from mtls_run.config.store import ChangedError, ConfigFile
from mtls_run.errors import MtlsRunError, ToolError
from mtls_run.output.text import split_words
from mtls_run.system.files import read_file

LARGEST = 16 * 1024 * 1024
TEMPLATE = b"""\
# [profiles.corp]
# client-cert = "~/pki/alice.p12"
# ca-cert = "~/pki/corp-root.pem"
"""


def edit(context: Context) -> None:
    """Run the editor on a private copy, and replace the file by it.

    Raises MtlsRunError and leaves the file alone if the editor fails or saves an error.
    """
    command = _editor(context.environ)
    file = ConfigFile.find(context.environ)
    before = file.read()
    start = TEMPLATE if before is None else before
    folder = _private_folder()
    copy = folder / file.path.name
    try:
        copy.touch(0o600)
        copy.write_bytes(start)
        after = _edited(command, copy, file, before, context)
        if after == start:
            say("nothing was changed")
            return
        file.replace(before, after)
    except ChangedError as error:
        # Keep the copy: it has the user's work.
        raise ChangedError(
            f"{error.fact}, so your edit does not replace it",
            hint=f"merge your edit by hand: it is in {copy}",
        ) from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    say(f"{file.path} is changed")


def _private_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="mtls-run-"))  # 0700
    except OSError as error:
        raise ToolError(
            f"cannot make a temporary directory for the copy: {error.strerror or error}",
            hint="make the directory for temporary files writable, or set TMPDIR to another",
        ) from None


def _edited(
    command: list[str], copy: Path, file: ConfigFile, before: bytes | None, context: Context
) -> bytes:
    """Return the saved content if it has no error; let the user edit it again if it has one."""
    while True:
        _run(command, copy, context.environ)
        after = _saved(copy)
        try:
            if after != before:
                file.check(before, after)
        except MtlsRunError as error:
            if not terminal.available():
                raise
            context.reporter.error(error)
            if not terminal.ask_yes("edit it again?"):
                raise MtlsRunError(
                    f"nothing is changed in {file.path}",
                    hint="start again: mtls-run profile edit",
                ) from None
        else:
            return after


def _editor(environ: Mapping[str, str]) -> list[str]:
    """Return the command of the user's editor, split into words as a shell does."""
    for name in ("VISUAL", "EDITOR"):
        value = environ.get(name, "").strip()
        if not value:
            continue
        try:
            return split_words(value)
        except ValueError as error:
            raise ToolError(
                f"cannot split {name} into words: {error}", hint="close the quotes"
            ) from None
    return ["notepad" if os.name == "nt" else "vi"]


def _run(command: list[str], copy: Path, environ: Mapping[str, str]) -> None:
    words = [*command, str(copy)]
    hint = "set VISUAL or EDITOR to an editor that waits until the file is closed"
    try:
        with _interrupts_ignored():
            status = subprocess.run(words, env=dict(environ), check=False).returncode
    except OSError as error:
        raise ToolError(
            f"cannot start the editor {command[0]}: {error.strerror or error}", hint=hint
        ) from None
    if status != 0:
        ended = f"with status {status}" if status > 0 else f"by signal {-status}"
        raise ToolError(f"the editor {command[0]} ended {ended}; nothing is changed", hint=hint)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C by a handler, since the editor would inherit SIG_IGN."""
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _saved(copy: Path) -> bytes:
    try:
        content = read_file(copy, LARGEST)
    except OSError as error:
        raise ToolError(
            f"cannot read the file that the editor saved: {error.strerror or error}",
            hint="save it as a regular file",
        ) from None
    if content is None:
        raise ToolError(
            f"the file that the editor saved is larger than {LARGEST // 1024 // 1024} MiB",
            hint="save a smaller file",
        )
    return content
