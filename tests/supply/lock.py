"""The lock files in requirements/, as `uv pip compile` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "requirements"
LOCKS = ("run", "test", "dev", "lowest")
OURSELVES = "mtls-run"

_PIN = re.compile(
    r"(?P<name>[a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>[\w.!+]+)(?: ; (?P<marker>.+?))? \\"
)
_HASH = re.compile(r"    --hash=sha256:(?P<hash>[0-9a-f]{64})(?: \\)?")
_VIA = re.compile(r"    # via (?P<one>\S+.*)|    #   (?P<more>\S+.*)|    # via")


@dataclass(frozen=True)
class Pin:
    """One version of one package, and where it is wanted."""

    name: str
    version: str
    marker: str | None
    """Which Pythons and platforms it is for; None: for all."""
    hashes: tuple[str, ...]
    """SHA-256 of each of its files."""
    wanted_by: tuple[str, ...]
    """The packages that need it, mtls-run itself among them."""


def normal(name: str) -> str:
    """Return a package's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(name: str) -> list[Pin]:
    """Return what a lock pins; raises ValueError for a line that is not understood."""
    return parse((FOLDER / f"{name}.lock").read_text(encoding="utf-8"))


def parse(text: str) -> list[Pin]:
    """Return what this text pins; raises ValueError for a line that is not understood."""
    found: list[tuple[re.Match[str], list[str], list[str]]] = []
    for line in text.splitlines():
        if pin := _PIN.fullmatch(line):
            found.append((pin, [], []))
        elif not found:
            raise ValueError(f"this belongs to no package: {line}")
        elif digest := _HASH.fullmatch(line):
            found[-1][1].append(digest["hash"])
        elif via := _VIA.fullmatch(line):
            found[-1][2].extend(who for who in via.groups() if who)
        else:
            raise ValueError(f"this line is not understood: {line}")
    return [_pin(*each) for each in found]


def _pin(pin: re.Match[str], hashes: list[str], via: list[str]) -> Pin:
    # "mtls-run (pyproject.toml)"; "-c requirements/dev.lock" says who constrains, not who needs.
    wanted_by = tuple(who.split()[0] for who in via if not who.startswith("-c "))
    return Pin(pin["name"], pin["version"], pin["marker"], tuple(hashes), wanted_by)
