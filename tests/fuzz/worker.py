"""Runs inputs of one target in this process: `python -m tests.fuzz.worker JOB`, a file of JSON.

The process is limited in memory, and what it is working at stands in a file that outlives it: if it
crashes, or hangs, whoever started it knows with which input.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .targets import Target

# What a process may have of address space: Python with all that is imported has a quarter of it.
MEMORY = 1024 * 1024 * 1024
# Seconds of processor time for one input.
SLOW = 5.0
STATE = 128 * 1024
_HEAD = struct.Struct("<QQ")
_TRIES = 400


class State:
    """The input that is being worked at, in a file: its number, counted from 1, and its bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), STATE)

    def write(self, number: int, data: bytes) -> None:
        """Say what is begun."""
        end = _HEAD.size + len(data)
        self._map[_HEAD.size : end] = data
        self._map[: _HEAD.size] = _HEAD.pack(number, len(data))

    def read(self) -> tuple[int, bytes]:
        """Return what was begun last."""
        number, length = _HEAD.unpack(self._map[: _HEAD.size])
        return number, self._map[_HEAD.size : _HEAD.size + length]


def signature(error: BaseException) -> str:
    """Return the kind of a failure, and the place in the product that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "mtls_run" in frame.filename]
    last = ours[-1] if ours else frames[-1]
    said = str(error).split("\n")[0][:80] if type(error).__name__ == "ViolationError" else ""
    place = f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.name}"
    return f"{type(error).__name__} in {place} {said}".strip()


def failure(target: Target, data: bytes, traces: tuple[bytes, ...]) -> BaseException | None:
    """Return what comes of an input that must not; None where all is well."""
    try:
        target.accepts(data, traces)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of Rust's is none of Exception's
        return error
    return None


def smaller(target: Target, data: bytes, found: str, traces: tuple[bytes, ...]) -> bytes:
    """Return a smaller input that fails in the same way."""
    size, tries = len(data) // 2, 0
    ends = time.process_time() + 3 * SLOW
    while size and tries < _TRIES and time.process_time() < ends:
        at = 0
        while at < len(data) and tries < _TRIES and time.process_time() < ends:
            less = data[:at] + data[at + size :]
            error = failure(target, less, traces)
            tries += 1
            if error is not None and signature(error) == found:
                data = less
            else:
                at += size
        size //= 2
    return data


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job, and return what came of it."""
    from . import seeds, targets  # noqa: PLC0415 - after the environment is made

    found = seeds.read(Path(job["seeds"]))
    target = targets.all_of(found, Path(job["folder"]))[job["target"]]
    state = State(Path(job["state"]))
    failures: dict[str, dict[str, Any]] = {}
    accepted = done = 0
    slowest, slowest_input = 0.0, b""
    began = time.monotonic()
    for number in range(job["first"], job["first"] + job["count"]):
        data = target.input(random.Random(f"{job['seed']}:{target.name}:{number}"))  # noqa: S311
        state.write(number + 1, data)
        before = time.process_time()
        try:
            accepted += target.accepts(data, found.traces)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            kind = signature(error)
            one = failures.setdefault(kind, {"count": 0, "first": number})
            one["count"] += 1
            if one["count"] == 1:
                least = smaller(target, data, kind, found.traces)
                one["input"] = b64encode(least).decode()
                one["error"] = f"{type(error).__name__}: {error}"[:500]
        done += 1
        took = time.process_time() - before
        if took > slowest:
            slowest, slowest_input = took, data
        if took > SLOW:
            one = failures.setdefault("too slow", {"count": 0, "first": number})
            one["count"] += 1
            one.setdefault("input", b64encode(data).decode())
            one.setdefault("error", f"{took:.1f} s")
    return {
        "inputs": done,
        "accepted": accepted,
        "seconds": time.monotonic() - began,
        "slowest": slowest,
        "slowest_input": b64encode(slowest_input).decode(),
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "failures": failures,
    }


@contextlib.contextmanager
def alone() -> Iterator[Path]:
    """Give this process a home of its own, and limits; return a directory to work in."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ours = ("MTLS_RUN_", "PIP_", "UV_", "SSL_", "REQUESTS_", "CURL_", "XDG_")
    for name in [name for name in os.environ if name.startswith(ours)]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            path = Path(folder, name.lower())
            path.mkdir(mode=0o700)
            os.environ[name] = str(path)
        work = Path(folder, "work")
        work.mkdir()
        os.chdir(work)
        yield work


def main() -> None:
    """Do the job in the file that is named."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with alone() as folder:
        job["folder"] = str(folder)
        warnings.simplefilter("error")
        Path(job["result"]).write_text(json.dumps(run(job)), encoding="utf-8")


if __name__ == "__main__":
    main()
