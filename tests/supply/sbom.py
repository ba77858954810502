"""The bill of materials, docs/sbom.cdx.json: `python -m tests.supply.sbom [--write]`.

CycloneDX 1.6: what requirements/run.lock names, on which Pythons and platforms, and who needs what.
It says what mtls-run was tested with. The wheel does not carry it: an SBOM in a wheel (PEP 770) is
of what lies in the wheel, and there is nobody else's code in this one; what an installation has
beside it is for its own installer to say.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from mtls_run import __version__

from . import lock

FILE = lock.REPOSITORY / "docs" / "sbom.cdx.json"


def bill(pins: list[lock.Pin]) -> dict[str, Any]:
    """Return the bill for what is pinned; the same pins give the same bill, whenever it is made."""
    ours = _reference(lock.OURSELVES, __version__)
    by_name: dict[str, list[str]] = {}
    for pin in pins:
        by_name.setdefault(pin.name, []).append(_reference(pin.name, pin.version))
    needs: dict[str, set[str]] = {ours: set()}
    for pin in pins:
        needs.setdefault(_reference(pin.name, pin.version), set())
        for who in pin.wanted_by:
            for reference in [ours] if who == lock.OURSELVES else by_name[who]:
                needs.setdefault(reference, set()).add(_reference(pin.name, pin.version))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "lifecycles": [{"phase": "pre-build"}],
            "component": {
                "type": "application",
                "bom-ref": ours,
                "name": lock.OURSELVES,
                "version": __version__,
                "licenses": [{"license": {"id": "MIT"}}],
                "purl": ours,
            },
        },
        "components": [_component(pin) for pin in pins],
        "dependencies": [
            {"ref": reference, "dependsOn": sorted(needs[reference])} for reference in sorted(needs)
        ],
    }


def text(pins: list[lock.Pin]) -> str:
    """Return the bill as it stands in the file."""
    return json.dumps(bill(pins), indent=2) + "\n"


def _reference(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _component(pin: lock.Pin) -> dict[str, Any]:
    reference = _reference(pin.name, pin.version)
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": reference,
        "name": pin.name,
        "version": pin.version,
        "purl": reference,
    }
    if pin.marker is not None:
        found["properties"] = [{"name": "mtls-run:marker", "value": pin.marker}]
    return found


def main() -> None:
    """Write the bill to stdout, or where it belongs."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply.sbom", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name}")
    made = text(lock.read("run"))
    if parser.parse_args().write:
        FILE.write_text(made, encoding="utf-8")
    else:
        sys.stdout.write(made)


if __name__ == "__main__":
    main()
