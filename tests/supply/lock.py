"""The lock files in requirements/, as `uv pip compile` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / "requirements"
LOCKS = ("run", "file", "test", "dev", "lowest")
OURSELVES = "mtls-run"

_PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==(?P<version>[\w.!+]+)(?: ; .+?)? \\$"
)
_HASH = re.compile(r"^    --hash=sha256:([0-9a-f]{64})(?: \\)?$")


@dataclass(frozen=True)
class Pin:
    """One version of one package."""

    name: str
    version: str
    hashes: frozenset[str]
    """SHA-256 of each of its files."""
    direct: bool
    """Whether mtls-run itself asks for it."""


def normal(name: str) -> str:
    """Return a package's name as PEP 503 spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(name: str) -> list[Pin]:
    """Return what a lock pins; raises ValueError for a line that is not understood."""
    found: list[tuple[re.Match[str], set[str], list[str]]] = []
    for line in (FOLDER / f"{name}.lock").read_text(encoding="utf-8").splitlines():
        if pin := _PIN.match(line):
            found.append((pin, set(), []))
        elif digest := _HASH.match(line):
            found[-1][1].add(digest[1])
        elif line.startswith("    #"):
            found[-1][2].append(line)
        else:
            raise ValueError(f"this line is not understood: {line}")
    return [
        Pin(pin["name"], pin["version"], frozenset(hashes), f"{OURSELVES} (" in "".join(via))
        for pin, hashes, via in found
    ]
