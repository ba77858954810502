"""The lines in startup files of shells that start mtls-run."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mtls_run.system.files import write_atomically

# install.sh ends its line in the first, or in the second where it had to begin a line first.
_MARK = b"# mtls-run: added by install.sh"
_MARK_OPEN = _MARK + b", with the newline before"
_PROGRAM = rb"""(?:\S*/)?mtls-run(?:\.exe)?|"[^"]*/mtls-run"|'[^']*/mtls-run'"""
_INIT = rb"(?:%b) init(?: [\w-]+)*" % _PROGRAM
_EVAL = rb'eval "\$\(%b\)"' % _INIT
# What `mtls-run init --help` says to add, and what it said in 0.1.0.
_ADVICE = [
    _EVAL,
    rb"if command -v mtls-run >/dev/null; then %b; fi" % _EVAL,
    rb"(?:type -q mtls-run; and )?%b \| source" % _INIT,
    rb"%b \| Out-String \| Invoke-Expression" % _INIT,
    rb"if \(Get-Command mtls-run -ErrorAction Ignore\) \{ %b \| Out-String \| Invoke-Expression \}"
    % _INIT,
]


@dataclass(frozen=True)
class StartupFile:
    """A startup file: its lines of mtls-run, by number, and others that mention it."""

    path: Path
    ours: tuple[int, ...]
    others: tuple[int, ...]

    def remove_ours(self) -> None:
        """Remove the lines of mtls-run; keep every other byte, the mode, and links to the file.

        Raises OSError.
        """
        real = Path(os.path.realpath(self.path))
        lines = real.read_bytes().splitlines(keepends=True)
        left = b"".join(line for at, line in enumerate(lines, 1) if at not in self.ours)
        if lines and max(self.ours) == len(lines) and lines[-1].rstrip().endswith(_MARK_OPEN):
            left = left.removesuffix(b"\n")
        write_atomically(real, left, mode=stat.S_IMODE(real.stat().st_mode), durable=True)


def find(environ: Mapping[str, str]) -> list[StartupFile]:
    """Return the startup files that have a line of mtls-run, or mention it."""
    found = []
    for path in _files(environ):
        try:
            lines = path.read_bytes().splitlines()
        except OSError:
            continue
        ours = tuple(at for at, line in enumerate(lines, 1) if _is_ours(line))
        others = tuple(
            at for at, line in enumerate(lines, 1) if b"mtls-run" in line and at not in ours
        )
        if ours or others:
            found.append(StartupFile(path, ours, others))
    return found


def _is_ours(line: bytes) -> bool:
    line = line.strip()
    return line.endswith((_MARK, _MARK_OPEN)) or any(
        re.fullmatch(advice, line) for advice in _ADVICE
    )


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path("~").expanduser()
    if not home.is_absolute():  # there is no home directory
        return
    for name in (".bashrc", ".bash_profile", ".bash_login", ".profile"):
        yield home / name
    zsh = Path(environ.get("ZDOTDIR") or home)
    for name in (".zshrc", ".zprofile", ".zshenv"):
        yield zsh / name
    config = environ.get("XDG_CONFIG_HOME", "")
    base = Path(config) if os.path.isabs(config) else home / ".config"
    yield base / "fish/config.fish"
    for folder in (base / "powershell", *(home / "Documents" / name for name in _POWERSHELL)):
        for name in ("profile.ps1", "Microsoft.PowerShell_profile.ps1"):
            yield folder / name


_POWERSHELL = ("PowerShell", "WindowsPowerShell")
