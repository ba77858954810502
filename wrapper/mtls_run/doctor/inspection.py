"""The state of an inspection of this machine: how doctor was called, and what it found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtls_run.doctor.findings import finding, from_error, row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.cli import Options
    from mtls_run.doctor.findings import Finding, Rank, Row
    from mtls_run.errors import MtlsRunError
    from mtls_run.output import Reporter


@dataclass(frozen=True)
class Inspection:
    """How and where doctor was called, and the rows and findings that each check adds."""

    options: Options
    environ: Mapping[str, str]
    directory: Path
    reporter: Reporter
    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def row(self, what: str, value: object, origin: object = None) -> None:
        """Add a row."""
        self.rows.append(row(what, value, origin))

    def finding(
        self, code: str, fact: str, action: str, *, origin: object = None, rank: Rank | None = None
    ) -> None:
        """Add a finding."""
        self.findings.append(finding(code, fact, action, origin=origin, rank=rank))

    def error(self, error: MtlsRunError, origin: object = None, rank: Rank | None = None) -> None:
        """Add the finding for an error that would stop a run."""
        self.findings.append(from_error(error, origin, rank))
