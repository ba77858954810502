"""Read the index of the vectors."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent
WORKS = "works"


@dataclass(frozen=True)
class Vector:
    """One identity, or one file of CA certificates, with the verdict that is expected."""

    name: str
    files: tuple[str, ...]
    verdicts: dict[str, str] = field(default_factory=dict)
    """The verdict for `pip` and for `uv`, or for `ca`: "works" or a finding's code."""
    locked: bool = False
    """Whether the passphrase of the index opens it."""

    def __str__(self) -> str:
        return self.name

    @property
    def contents(self) -> list[tuple[Path, bytes]]:
        """Return each file with its bytes."""
        return [(FOLDER / file, (FOLDER / file).read_bytes()) for file in self.files]


def load() -> tuple[bytes, list[Vector]]:
    """Return the passphrase and all vectors of the index."""
    index = tomllib.loads((FOLDER / "index.toml").read_text(encoding="utf-8"))
    found = []
    for name, table in index["vectors"].items():
        verdicts = {who: table[who] for who in ("pip", "uv", "ca") if who in table}
        found.append(Vector(name, tuple(table["files"]), verdicts, table.get("locked", False)))
    return index["passphrase"].encode(), found


PASSPHRASE, VECTORS = load()
IDENTITIES = [vector for vector in VECTORS if "ca" not in vector.verdicts]
CA_FILES = [vector for vector in VECTORS if "ca" in vector.verdicts]
