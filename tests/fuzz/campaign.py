"""A campaign: so many inputs over all targets, in processes that may crash or hang."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import seeds, worker

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[2]
# Inputs that one process is given, and seconds without an input done until it is taken to hang.
CHUNK = 20_000
PATIENCE = 60.0
_POLL = 0.05


@dataclass
class Part:
    """What came of one target's inputs. `failures` has each kind with its first, smallest input."""

    target: str
    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_input: str = ""
    peak_kib: int = 0
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, result: dict[str, Any]) -> None:
        """Add what one process found."""
        self.inputs += result["inputs"]
        self.accepted += result["accepted"]
        self.seconds += result["seconds"]
        self.peak_kib = max(self.peak_kib, result["peak_kib"])
        if result["slowest"] > self.slowest:
            self.slowest, self.slowest_input = result["slowest"], result["slowest_input"]
        for kind, found in result["failures"].items():
            self.failures.setdefault(kind, {**found, "count": 0})["count"] += found["count"]


# The targets, and the part that each has of a campaign: identities first.
SHARES = {
    "a glance": 25,
    "identity PEM": 25,
    "identity DER": 25,
    "key DER": 15,
    "identity PKCS#12": 25,
    "encrypted key": 15,
    "MTLS_RUN_ACTIVE": 4,
    "remembered identity": 6,
    "ca-cert": 12,
    "ca-cert at a glance": 8,
    "store of roots": 8,
    "verdict": 6,
    "kept launch": 6,
    "passphrase file": 4,
    "configuration": 12,
    "edits of it": 4,
    "project file": 6,
    "pip's settings": 8,
    "uv's settings": 5,
    "TLS bytes": 8,
    "TLS live": 3,
    "HTTP answer": 8,
    "proxy's answer": 5,
    "proxy's URL": 4,
    "argv": 6,
    "MTLS_RUN_TRAIL": 4,
    "URL": 4,
    "version answer": 4,
}


def shares(inputs: int, of: dict[str, int]) -> dict[str, int]:
    """Return how many inputs each target is given, so many altogether."""
    whole = sum(of.values())
    found = {name: inputs * share // whole for name, share in of.items()}
    first = next(iter(found))
    found[first] += inputs - sum(found.values())
    return found


def run(counts: dict[str, int], seed: int, jobs: int) -> list[Part]:
    """Give each target as many inputs as `counts` says, and return what came of them."""
    parts = {name: Part(name) for name in counts}
    with tempfile.TemporaryDirectory() as folder:
        of_seeds = Path(folder, "seeds")
        seeds.make().write(of_seeds)
        chunks = [
            (name, first, min(CHUNK, count - first))
            for name, count in counts.items()
            for first in range(0, count, CHUNK)
        ]

        def work(number: int, chunk: tuple[str, int, int]) -> tuple[str, list[dict[str, Any]]]:
            place = Path(folder, str(number))
            place.mkdir()
            return chunk[0], list(_chunk(place, of_seeds, chunk, seed))

        with ThreadPoolExecutor(jobs) as pool:
            for name, results in pool.map(lambda pair: work(*pair), enumerate(chunks)):
                for result in results:
                    parts[name].add(result)
    return list(parts.values())


def _chunk(
    place: Path, of_seeds: Path, chunk: tuple[str, int, int], seed: int
) -> Iterable[dict[str, Any]]:
    """Yield what processes found, a new one after each that crashed or hung."""
    target, first, count = chunk
    end = first + count
    while first < end:
        state, result, job = (place / name for name in ("state", "result", "job"))
        state.write_bytes(bytes(worker.STATE))
        result.unlink(missing_ok=True)
        said = {
            "target": target,
            "seed": seed,
            "first": first,
            "count": end - first,
            "seeds": str(of_seeds),
            "state": str(state),
            "result": str(result),
        }
        job.write_text(json.dumps(said), encoding="utf-8")
        how, words = _watched(
            [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.worker", str(job)], state
        )
        if how is None:
            yield json.loads(result.read_text(encoding="utf-8"))
            return
        number, data = worker.State(state).read()
        if not number:
            raise RuntimeError(f"no worker for {target}: {how}\n{words}")
        found = {
            "count": 1,
            "first": number - 1,
            "input": b64encode(data).decode(),
            "error": f"{how}: {words[-300:]}",
        }
        yield {
            **dict.fromkeys(("accepted", "seconds", "slowest", "peak_kib"), 0),
            "inputs": number - first,
            "slowest_input": "",
            "failures": {how: found},
        }
        first = number


def _watched(command: list[str], state: Path) -> tuple[str | None, str]:
    """Run a worker; return how it ended, None where it did its job, and what it said."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        there = worker.State(state)
        last, since = there.read()[0], time.monotonic()
        hangs = False
        while process.poll() is None:
            time.sleep(_POLL)
            now = there.read()[0]
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                process.kill()
                process.wait()
                hangs = True
        said.seek(0)
        words = said.read().decode("utf-8", "replace")
    if hangs:
        return f"hangs for {PATIENCE:.0f} s", words
    return (None if process.returncode == 0 else f"ends with {process.returncode}"), words


def report(parts: list[Part], seed: int, seconds: float) -> dict[str, Any]:
    """Return the numbers of a campaign, for JSON."""
    slowest = max(parts, key=lambda part: part.slowest)
    return {
        "inputs": sum(part.inputs for part in parts),
        "seed": seed,
        "seconds": round(seconds, 1),
        "failures": sum(one["count"] for part in parts for one in part.failures.values()),
        "slowest_ms": round(slowest.slowest * 1000, 1),
        "peak_mib": round(max(part.peak_kib for part in parts) / 1024),
        "targets": [
            {
                "name": part.target,
                "inputs": part.inputs,
                "accepted": part.accepted,
                "refused": part.inputs
                - part.accepted
                - sum(f["count"] for f in part.failures.values()),
                "seconds": round(part.seconds, 1),
                "slowest_ms": round(part.slowest * 1000, 1),
                "peak_mib": round(part.peak_kib / 1024),
                "failures": {kind: one["count"] for kind, one in part.failures.items()},
            }
            for part in parts
        ],
    }
