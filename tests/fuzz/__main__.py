"""Runs a campaign: `python -m tests.fuzz --inputs N --seed N --jobs N [--target NAME]…`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from base64 import b64decode
from pathlib import Path

from . import campaign


def main() -> int:
    """Run it, and say on stdout what was found; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many altogether")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other inputs")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--target", action="append", metavar="NAME", help="this one alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument(
        "--failing",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir(), "mtls-run-fuzz"),
        help="write inputs there",
    )
    asked = parser.parse_args()
    for name in asked.target or ():
        if name not in campaign.SHARES:
            parser.error(f"no target {name!r}; there are: {', '.join(campaign.SHARES)}")
    chosen = {name: campaign.SHARES[name] for name in (asked.target or campaign.SHARES)}
    began = time.monotonic()
    parts = campaign.run(campaign.shares(asked.inputs, chosen), asked.seed, asked.jobs)
    found = campaign.report(parts, asked.seed, time.monotonic() - began)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _say(found)
    for part in parts:
        for number, (kind, one) in enumerate(part.failures.items()):
            asked.failing.mkdir(parents=True, exist_ok=True)
            path = asked.failing / f"{part.target.replace(' ', '-')}-{number}".replace("/", "-")
            path.write_bytes(b64decode(one["input"]))
            sys.stdout.write(
                f"\n{part.target}: {kind}, {one['count']} times\n  {one['error']}\n  {path}\n"
            )
    return 1 if found["failures"] else 0


def _say(found: dict[str, object]) -> None:
    lines = [
        f"{'target':22}{'inputs':>9}{'taken':>9}{'failed':>7}{'s':>8}{'slowest':>12}{'peak':>9}"
    ]
    targets = found["targets"]
    assert isinstance(targets, list)
    lines += [
        f"{one['name']:22}{one['inputs']:9}{one['accepted']:9}{sum(one['failures'].values()):7}"
        f"{one['seconds']:8}{one['slowest_ms']:9} ms{one['peak_mib']:5} MiB"
        for one in targets
    ]
    lines.append(
        f"{found['inputs']} inputs, {found['failures']} failures, {found['seconds']} s, slowest "
        f"{found['slowest_ms']} ms, peak {found['peak_mib']} MiB, seed {found['seed']}"
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
