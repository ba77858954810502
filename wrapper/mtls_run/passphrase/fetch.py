"""A passphrase from a program, a file or a variable, for machines without a keyring."""

from __future__ import annotations

import codecs
import os
import re
import stat
from typing import TYPE_CHECKING

from mtls_run.errors import PassphraseError
from mtls_run.output.text import quoted
from mtls_run.secret import Secret
from mtls_run.system import programs
from mtls_run.system.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Callable

    from mtls_run.passphrase.sources import FromCommand, FromFile, FromVariable

    Verify = Callable[[Path, bytes], None]

LARGEST = 4096
_ONE_LINE = "provide the passphrase as one line, and nothing else"
# A byte order mark and, in two bytes, at least one character of Latin; or such characters alone.
_UTF_16 = {
    "UTF-16": rb"\xff\xfe(..)*?[^\0]\0(..)*|\xfe\xff(..)*?\0[^\0](..)*",
    "UTF-16LE": rb"([^\0]\0)+",
    "UTF-16BE": rb"(\0[^\0])+",
}
_MARKED = "UTF-8 with a byte order mark"
PLAIN = "provide the passphrase as UTF-8 without a byte order mark"
_HINTS = {
    programs.START: "name an existing program; no shell reads the command",
    programs.TIME: "run it by itself to see what it waits for",
    programs.SIZE: _ONE_LINE,
    programs.STATUS: "run it by itself to see why",
}
PATIENCE = 120.0  # a person may have to touch a key first


def from_variable(source: FromVariable, environ: Mapping[str, str], said: str) -> Secret:
    """Return the variable's value; `said` is the origin of the setting."""
    value = environ.get(source.name)
    if not value:
        state = "empty" if value is not None else "not set"
        raise PassphraseError(
            f"the variable {source.name}, named for the passphrase at {said}, is {state}",
            hint=f"set {source.name} for mtls-run; the tool will not see it",
            code="passphrase-variable-unset",
        )
    return Secret(os.fsencode(value))


def from_file(source: FromFile, said: str, verify: Verify) -> Secret:
    """Return the file's content without its last newline; refuse a file that others can read.

    `verify` gets the path and the bytes, and raises an error where they are not to be used.
    """
    path = source.path
    found: list[os.stat_result] = []
    try:
        content = read_file(path, LARGEST, seen=found.append)
        readers = _other_readers(found[0], path)
    except OSError as error:
        raise PassphraseError(
            f"cannot read the passphrase file {path}, named at {said}: {error.strerror or error}",
            hint="name a file that you can read and nobody else can",
            code="passphrase-file-missing",
        ) from None
    if readers:
        raise PassphraseError(
            f"{readers} can read the passphrase file {path}, named at {said}",
            hint=f"chmod 600 {quoted(path)}",
            code="passphrase-file-unsafe",
        )
    if content is None:
        raise PassphraseError(
            f"the passphrase file {path} is larger than {LARGEST} bytes",
            hint=_ONE_LINE,
            code="passphrase-file-missing",
        )
    verify(path, content)
    _check_file_encoding(content, path, said)
    name = f"the passphrase file {path}, named at {said},"
    return _one_line(content, name, "passphrase-file-missing")


def _other_readers(found: os.stat_result, path: os.PathLike[str]) -> str | None:
    """Return who else may read the file, or None.

    A secret in a container is often root's, with mode 0444, on a read-only mount. There the mount
    keeps others out.
    """
    if os.name != "posix":
        return None
    if found.st_mode & (stat.S_IRGRP | stat.S_IROTH) == 0:
        return None
    if found.st_uid == 0 and os.statvfs(path).f_flag & os.ST_RDONLY:
        return None
    return "every user" if found.st_mode & stat.S_IROTH else "the file's group"


def from_command(source: FromCommand, said: str, environ: Mapping[str, str]) -> Secret:
    """Return the program's output without its last newline.

    It runs with `environ`. The tool reads stdin, so its own is empty. Its stderr is the user's.
    """
    name = f"the passphrase command `{source.argv[0]}`, named at {said},"
    try:
        output = programs.run(source.argv, environ, seconds=PATIENCE, largest=LARGEST)
    except programs.ProgramError as error:
        raise PassphraseError(
            f"{name} {error.reason}", hint=_HINTS[error.kind], code="passphrase-command-failed"
        ) from None
    return _one_line(output, f"what {name} printed", "passphrase-command-failed")


def _check_file_encoding(content: bytes, path: Path, said: str) -> None:
    """Raise PassphraseError, with what mends it, for UTF-16 and a byte order mark."""
    encoding = encoding_of(content)
    if encoding is None:
        return
    file, new = quoted(path), quoted(f"{path}.new")
    convert = "tail -c +4" if encoding == _MARKED else f"iconv -f {encoding} -t UTF-8"
    raise PassphraseError(
        f"the passphrase file {path}, named at {said}, is {encoding}, as PowerShell writes it",
        hint=f"(umask 077 && {convert} {file} > {new}) && mv {new} {file}",
        code="passphrase-file-missing",
    )


def encoding_of(content: bytes) -> str | None:
    """Return the name of an encoding that would change the passphrase, or None."""
    for name, pattern in _UTF_16.items():
        if re.fullmatch(pattern, content, re.DOTALL):
            return name
    return _MARKED if content.startswith(codecs.BOM_UTF8) else None


def _one_line(content: bytes, name: str, code: str) -> Secret:
    line = content[:-1] if content.endswith(b"\n") else content
    line = line[:-1] if line.endswith(b"\r") else line
    if not line:
        raise PassphraseError(f"{name} is empty", hint=_ONE_LINE, code=code)
    encoding = encoding_of(content)
    if encoding is not None:
        raise PassphraseError(f"{name} is {encoding}", hint=PLAIN, code=code)
    if b"\n" in line:
        raise PassphraseError(f"{name} has several lines", hint=_ONE_LINE, code=code)
    return Secret(line)
