"""doctor's answer for a fleet: codes, versions and numbers, and no text of a person's machine.

`docs/doctor-fleet.schema.json` lists every value that a string can have, so no name, path, host or
subject can be in it.
"""

from __future__ import annotations

import json
import platform
import sys
from typing import Any

from mtls_run import __version__
from mtls_run.doctor import findings, url_report
from mtls_run.doctor.diagnosis import Diagnosis
from mtls_run.doctor.findings import Finding
from mtls_run.doctor.transcript import Transcript
from mtls_run.identity import checks

# It changes if a field changes its meaning or goes.
FORMAT = 1
_OF_A_URL = ("protocol", "verified", "asks_for_identity", "http_status", "page", "tools")


def as_json(diagnosis: Diagnosis) -> str:
    """Return one JSON object."""
    leaf = diagnosis.leaf
    numbers = {seen.index.shown: number for number, seen in enumerate(diagnosis.urls, 1)}
    found = {
        "format": FORMAT,
        "mtls_run": __version__,
        "system": sys.platform,
        "python": platform.python_version(),
        "profile": _kind(diagnosis),
        "days_left": leaf and (leaf.not_valid_after_utc - checks.utc_now()).days,
        "tools": {
            target.call.kind: ".".join(map(str, target.version)) if target.version else None
            for target in diagnosis.targets
        },
        "indexes": [_index(seen) for seen in diagnosis.urls],
        "findings": [_finding(one, numbers) for one in diagnosis.findings],
        "status": findings.status(diagnosis.findings),
    }
    return json.dumps(found, indent=2)


def _kind(diagnosis: Diagnosis) -> str | None:
    """Return what the profile comes from: "configuration", "pip", "project", or None."""
    profile = diagnosis.profile
    if profile is None:
        return None
    if profile.name is not None:
        return "configuration"
    return "pip" if profile.yields else "project"


def _index(seen: Transcript) -> dict[str, Any]:
    facts = url_report.facts(seen)
    return {"proxy": seen.proxy is not None, **{key: facts[key] for key in _OF_A_URL}}


def _finding(one: Finding, numbers: dict[str, int]) -> dict[str, Any]:
    """Return the finding without its texts; `indexes` counts from 1, in the order of `indexes`."""
    stops = [name.split()[0] for name in one.stops.split(",")] if one.stops else None
    return {
        "code": one.code,
        "rank": one.rank,
        "stops": stops,
        "parts": [part for part in one.about if part not in numbers],
        "indexes": sorted({numbers[part] for part in one.about if part in numbers}),
    }
