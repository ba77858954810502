"""Run each tool against each odd server and with each odd identity, and ask mtls-run and doctor.

`python -m tests.e2e.verdicts.table` writes docs/verdicts.md.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.matrix.pythons import Environments
from tests.e2e.toolbox import Tool
from tests.e2e.verdicts import servers as odd_servers
from tests.e2e.verdicts import shapes
from tests.e2e.verdicts.identities import odd_identities
from tests.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tests.e2e.verdicts.servers import Servers

PIPS = (
    *(("21.3", "3.9"), ("24.0", "3.11"), ("26.3", "3.11"), ("26.3", "3.13")),
    *(("21.3", "3.11"), ("24.0", "3.9"), ("24.0", "3.13")),
)
UVS = ("0.2.11", "0.8.24", "0.11.2", "0.13.9")
PACKAGE = "beta-pkg"
REFUSED = 125
_PAGE = Path(__file__).parents[3] / "docs" / "verdicts.md"
_WORKERS = 3


@dataclass(frozen=True)
class Column:
    """One version of pip on one Python, or one version of uv."""

    kind: str
    version: str
    python: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.version}" + (f" on {self.python}" if self.python else "")


@dataclass(frozen=True)
class Cell:
    """What the tool really did, whether mtls-run refused to start it, and what doctor said.

    `doctor` is None if doctor said that an error stops the tool, else that nothing does.
    """

    works: bool
    refused: bool
    stopped: bool
    shown: str = field(repr=False, default="")

    @property
    def fault(self) -> str | None:
        """Return what is untrue in this cell, or None."""
        if self.works and self.refused:
            return "mtls-run refuses what works"
        if self.works and self.stopped:
            return "doctor reports an error where the tool works"
        if not self.works and not self.stopped:
            return "doctor says that nothing stops a tool that fails"
        return None


Table = dict[str, dict[Column, Cell]]

# What differs between these and the others concerns servers alone, so no identity is tried here.
SERVERS_ALONE = frozenset(
    [Column("pip", "24.0", "3.13"), Column("pip", "24.0", "3.9"), Column("pip", "21.3", "3.11")]
)


@dataclass(frozen=True)
class Bench:
    """The servers, and an environment with one pip, and one uv, for each column."""

    servers: Servers
    folder: Path
    bins: Mapping[Column, Path]

    def sandbox(self, columns: Iterable[Column], roots: bytes, identity: bytes) -> Sandbox:
        """Return a home with these tools on PATH, and a profile of these roots and identity."""
        sandbox = Sandbox.create(Path(tempfile.mkdtemp(dir=self.folder)))
        sandbox.write("pki/roots.pem", roots)
        sandbox.write("pki/identity.pem", identity)
        sandbox.write_config(
            'default-profile = "corp"\n[profiles.corp]\nroots = "none"\n'
            'ca-cert = "~/pki/roots.pem"\nclient-cert = "~/pki/identity.pem"\n'
        )
        path = [str(self.bins[column]) for column in columns]
        sandbox.env["PATH"] = os.pathsep.join([*path, sandbox.env["PATH"]])
        sandbox.env.update(
            PIP_CONFIG_FILE="/dev/null", PIP_DISABLE_PIP_VERSION_CHECK="1", UV_HTTP_RETRIES="0"
        )
        return sandbox


def make_bench(servers: Servers, folder: Path, columns: Iterable[Column]) -> Bench:
    """Return the bench with the environments of these columns."""
    environments = Environments.create(folder)
    bins = {}
    for column in columns:
        if column.kind == "pip":
            bins[column] = environments.pip(column.version, column.python)
        else:
            bins[column] = Tool("uv", column.version).ready().bin
    return Bench(servers, folder, bins)


# --- what a tool really does


def download(sandbox: Sandbox, column: Column, urls: Sequence[str], *, bare: bool) -> list[str]:
    """Return the command that fetches the package; pip looks at all the URLs, uv at one."""
    target = str(Path(tempfile.mkdtemp(dir=sandbox.root)))
    if column.kind == "uv":
        command = ["uv", "pip", "install", "--no-cache", "--no-deps", "--python", sys.executable]
        command += ["--target", target, "--index-url", urls[0]]
    else:
        command = ["pip", "download", "-vv", "--no-deps", "--no-cache-dir", "--retries", "0"]
        command += ["--timeout", "20", "--dest", target, "--index-url", urls[0]]
        command += [word for url in urls[1:] for word in ("--extra-index-url", url)]
        if bare:
            command += ["--cert", f"{sandbox.home}/pki/roots.pem"]
            command += ["--client-cert", f"{sandbox.home}/pki/identity.pem"]
            if int(column.version.split(".")[0]) >= 26:
                command.insert(1, "--use-deprecated=legacy-certs")
    return [*command, PACKAGE]


def run(
    bench: Bench, sandbox: Sandbox, column: Column, urls: Sequence[str]
) -> dict[str, tuple[bool, bool, str]]:
    """Return for each URL whether the tool works there, and whether mtls-run refused to start it.

    A tool that mtls-run refuses is run by itself.
    """
    done = sandbox.run(*download(sandbox, column, urls, bare=False), timeout=300)
    refused = done.returncode == REFUSED
    if refused:
        env = {
            "SSL_CERT_FILE": f"{sandbox.home}/pki/roots.pem",
            "SSL_CLIENT_CERT": f"{sandbox.home}/pki/identity.pem",
        }
        command = download(sandbox, column, urls, bare=True)
        command[0] = str(bench.bins[column] / command[0])
        bare = sandbox.execute(command, env=env if column.kind == "uv" else {}, timeout=300)
        shown = f"{done.stderr}\n{bare.stdout}\n{bare.stderr}"
        done = bare
    else:
        shown = f"{done.stdout}\n{done.stderr}"
    if len(urls) == 1:
        return {urls[0]: (done.returncode == 0, refused, shown)}
    return {url: (_has_found(done.stdout, url), refused, shown) for url in urls}


def _has_found(output: str, url: str) -> bool:
    """Tell whether pip says that it found the package's file at this index."""
    base = re.escape(url.removesuffix("simple/"))
    return re.search(rf"Found link {base}files/|from {base}simple/beta-pkg/\)", output) is not None


# --- what doctor says


def ask_doctor(
    sandbox: Sandbox, urls: Sequence[str], columns: Sequence[Column]
) -> dict[tuple[str, Column], tuple[bool, str]]:
    """Return for each URL and tool whether doctor says that an error stops it."""
    pages = [f"{url}{PACKAGE}/" for url in urls]
    done = sandbox.run("doctor", "--json", "--timeout", "60", *pages, timeout=300)
    found = json.loads(done.stdout)
    errors = [one for one in found["findings"] if one["rank"] == "error"]
    answers = {}
    for url, column in itertools.product(urls, columns):
        tool = f"{column.kind} {column.version}"
        about = [
            one
            for one in errors
            if (url in one["fact"] or not any(other in one["fact"] for other in urls))
            and (one["stops"] is None or tool in one["stops"].split(", "))
        ]
        answers[url, column] = (bool(about), " / ".join(f"{a['code']}: {a['fact']}" for a in about))
    return answers


# --- the whole


def fill(bench: Bench, columns: Sequence[Column], names: Sequence[str] | None = None) -> Table:
    """Return the table of these columns, with all rows or with those that are named."""
    servers = bench.servers
    ordinary = shapes.leaf(servers.client_issuer, "alice", client=True).pem
    rows = [*servers.odd, *servers.late]
    special = [name for name in servers.odd if servers.odd[name].trusts is not None]
    usual = [name for name in rows if name not in special]
    pairs = _pairs(columns)
    groups = [usual, *([name] for name in special)]
    if names is not None:
        groups = [[name for name in group if name in names] for group in groups]
    jobs = [_job(bench, pair, group, ordinary) for pair in pairs for group in groups if group]
    jobs += [
        _identity_job(bench, pair, name, identity)
        for name, identity in odd_identities(servers).items()
        if names is None or name in names
        for pair in pairs
        if not all(column in SERVERS_ALONE for column in pair)
    ]
    table: Table = {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        for filled in pool.map(lambda job: job(), jobs):
            for name, cells in filled.items():
                table.setdefault(name, {}).update(cells)
    return table


def _pairs(columns: Sequence[Column]) -> list[list[Column]]:
    """Return the columns in pairs of a pip and a uv, so that doctor is asked once for both."""
    pips = [column for column in columns if column.kind == "pip"]
    uvs = [column for column in columns if column.kind == "uv"]
    pairs = itertools.zip_longest(pips, uvs)
    return [[column for column in pair if column is not None] for pair in pairs]


def _job(
    bench: Bench, pair: Sequence[Column], group: Sequence[str], identity: bytes
) -> Callable[[], Table]:
    servers = bench.servers

    def work() -> Table:
        sandbox = bench.sandbox(pair, servers.roots(group[0]), identity)
        urls = {servers.url(name): name for name in group}
        said = ask_doctor(sandbox, list(urls), pair)
        table: Table = {name: {} for name in group}
        for column in pair:
            really = {}
            if column.kind == "pip":
                really = run(bench, sandbox, column, list(urls))
            else:
                for url in urls:
                    really.update(run(bench, sandbox, column, [url]))
            for url, name in urls.items():
                works, refused, shown = really[url]
                stopped, why = said[url, column]
                table[name][column] = Cell(works, refused, stopped, f"{why}\n{shown}")
        return table

    return work


def _identity_job(
    bench: Bench, pair: Sequence[Column], name: str, identity: bytes
) -> Callable[[], Table]:
    def work() -> Table:
        inner = _job(bench, pair, ["ordinary"], identity)
        return {f"identity: {name}": inner()["ordinary"]}

    return work


def faults(table: Table) -> list[str]:
    """Return each cell in which something untrue was said."""
    return [
        f"{name}, {column}: {cell.fault}"
        for name, cells in table.items()
        for column, cell in cells.items()
        if cell.fault
    ]


def columns() -> list[Column]:
    """Return all columns."""
    return [*(Column("pip", *pip) for pip in PIPS), *(Column("uv", uv) for uv in UVS)]


def as_page(table: Table) -> str:
    """Return docs/verdicts.md."""
    every = columns()
    head = "| | " + " | ".join(map(str, every)) + " |"
    lines = [head, "|---" * (len(every) + 1) + "|"]
    for name, cells in table.items():
        shown = [_shown(cells.get(column)) for column in every]
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return _TEXT + "\n".join(lines) + "\n"


_TEXT = """# What each tool does, and what doctor says of it

`python -m tests.e2e.verdicts.table` writes this page. It runs each version of pip and uv against a
real nginx (Apache for the last two servers) whose certificate is odd, and with an identity that is
odd. Beside it, it asks `mtls-run doctor`.

`✓` the tool works, and doctor says that nothing stops it. `✗` the tool fails, and doctor says why.
`✗ 125` mtls-run does not start the tool, which fails by itself. `!` doctor is wrong.

"""


def _shown(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.fault:
        return f"! {cell.fault}"
    if cell.works:
        return "✓"
    return "✗ 125" if cell.refused else "✗"


def main() -> None:
    """Write the page."""
    with odd_servers.running() as servers, tempfile.TemporaryDirectory() as folder:
        bench = make_bench(servers, Path(folder), columns())
        table = fill(bench, columns(), sys.argv[1:] or None)
    for fault in faults(table):
        sys.stdout.write(f"{fault}\n")
    if "--keep" not in sys.argv:
        _PAGE.write_text(as_page(table), encoding="utf-8")


if __name__ == "__main__":
    main()
