"""The state of an inspection of this machine: how doctor was called, and what it found so far.

To add a row, call `row` in the check that knows it. The report shows it below the part that was
begun last, with `-v`. To add a line that is always shown, begin a `part` and sum it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from mtls_run.cli import Options
from mtls_run.doctor.findings import Finding, Rank, Row, finding, from_error, row
from mtls_run.errors import MtlsRunError
from mtls_run.output import Reporter


@dataclass
class Inspection:
    """How and where doctor was called, and the rows and findings that each check adds.

    `parts` are the parts of the report, in order, each with the line that sums it up, or "".
    """

    options: Options
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    current: str = ""

    def part(self, name: str, summary: str = "") -> None:
        """Begin this part of the report, or go back to it; what is added next belongs to it."""
        self.current = name
        self.parts[name] = summary or self.parts.get(name, "")

    def row(self, what: str, value: object, origin: object = None) -> None:
        """Add a row."""
        self.rows.append(replace(row(what, value, origin), part=self.current))

    def finding(
        self, code: str, fact: str, action: str, *, origin: object = None, rank: Rank | None = None
    ) -> None:
        """Add a finding."""
        self.add(finding(code, fact, action, origin=origin, rank=rank))

    def error(self, error: MtlsRunError, origin: object = None, rank: Rank | None = None) -> None:
        """Add the finding for an error that would stop a run."""
        self.add(from_error(error, origin, rank))

    def add(self, found: Finding) -> None:
        """Add a finding that was made elsewhere."""
        self.findings.append(replace(found, about=(self.current,)))
