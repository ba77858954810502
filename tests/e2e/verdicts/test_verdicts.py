"""What doctor and mtls-run say of a tool is what the tool does, for odd servers and identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.matrix import pythons
from tests.e2e.verdicts import servers, table
from tests.e2e.verdicts.table import Column

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.verdicts.servers import Servers

pytestmark = pytest.mark.e2e

NEWEST = [Column("pip", "26.3", "3.13"), Column("uv", "0.13.9")]
# One of each kind: strictness, webpki's extensions, a late request, and an identity for pip alone.
TELLING = {
    "ordinary": (True, True),
    "CA without AKI": (False, True),
    "CA with critical certificatePolicies": (True, False),
    "post-handshake": (True, False),
    "identity: leaf of kind rsassaPss": (True, False),
    "identity: leaf with SHA-1": (False, True),
}


@pytest.fixture(scope="module")
def odd() -> Iterator[Servers]:
    """Run the odd servers."""
    with servers.running() as found:
        yield found


def present(columns: Sequence[Column]) -> list[Column]:
    """Return the columns whose Python this machine has; CI has all of them."""
    found = pythons.found()
    return [column for column in columns if column.kind == "uv" or column.python in found]


def test_telling_cells(odd: Servers, tmp_path: Path) -> None:
    """The newest tools do what is expected, and doctor says so."""
    columns = present(NEWEST)
    bench = table.make_bench(odd, tmp_path, columns)
    names = [name.removeprefix("identity: ") for name in TELLING]
    filled = table.fill(bench, columns, names)
    assert table.faults(filled) == []
    kinds = ["pip", "uv"]
    seen = {
        name: {column.kind: cell.works for column, cell in cells.items()}
        for name, cells in filled.items()
    }
    assert seen == {
        name: {column.kind: works[kinds.index(column.kind)] for column in columns}
        for name, works in TELLING.items()
    }


@pytest.mark.slow
def test_every_cell(odd: Servers, tmp_path: Path) -> None:
    """Doctor calls no tool fine that fails, and nothing reports an error of one that works."""
    columns = present(table.columns())
    filled = table.fill(table.make_bench(odd, tmp_path, columns), columns)
    assert table.faults(filled) == []
