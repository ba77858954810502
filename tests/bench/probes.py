"""What is looked at besides time: memory at the moment of exec, and what each import costs."""

from __future__ import annotations

import re
import statistics
import subprocess
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .installation import Installation
    from .timing import Case

TIMES = 5

# Says, in place of execve, what this process has had in memory at most: in VmHWM the kernel counts
# for the program that a process is, and begins anew with the next one (proc(5)). What wait4 has in
# ru_maxrss will not do: it outlives exec, and so begins with the memory of whoever started this.
_PEAK = """
import os, sys
def become(*_):
    status = os.read(os.open("/proc/self/status", os.O_RDONLY), 65536)
    os.write(1, status.partition(b"VmHWM:")[2].split()[0])
    os._exit(0)
os.execve = become
if sys.argv[1:]:
    from mtls_run.__main__ import main
    main()
become()
"""
_IMPORT = re.compile(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", re.MULTILINE)


def peak(installation: Installation, case: Case) -> int:
    """Return the peak of resident memory before exec, in KiB: of mtls-run, or of bare Python."""
    words = [] if case.over is None else case.command[1:]
    command = [installation.python, "-I", "-c", _PEAK, *words]
    return round(statistics.median(int(_output(command, case)[0]) for _ in range(TIMES)))


def imports(installation: Installation, case: Case, bare: Case) -> dict[str, float]:
    """Return what Python took for importing each package, in milliseconds, the slowest first.

    Left out is what `bare`, Python by itself, imports too. A package's time is that of all its
    modules, without those of others that they import. Python measures that itself (-X importtime),
    which costs time as well: as shares they are right.
    """
    known = modules(installation, bare)
    command = _traced(installation, case)
    runs = [_by_package(_output(command, case)[1], known) for _ in range(TIMES)]
    names = {name for run in runs for name in run}
    found = {name: statistics.median(run.get(name, 0) for run in runs) / 1e3 for name in names}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def resolves(installation: Installation, case: Case) -> bool:
    """Tell whether this case goes the whole road, or what was resolved before is used again."""
    return "mtls_run.run" in modules(installation, case)


def modules(installation: Installation, case: Case) -> set[str]:
    """Return the names of the modules that are imported for a case."""
    return {name for _, name in _IMPORT.findall(_output(_traced(installation, case), case)[1])}


def _traced(installation: Installation, case: Case) -> list[str]:
    words = case.command[1:] if case.command[0] == installation.python else case.command
    return [installation.python, "-I", "-X", "importtime", *words]


def _by_package(report: str, known: set[str]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for microseconds, name in _IMPORT.findall(report):
        if name not in known:
            found[name.partition(".")[0]] += int(microseconds)
    return found


def _output(command: Sequence[str], case: Case) -> tuple[str, str]:
    if case.prepare is not None:
        case.prepare()
    done = subprocess.run(
        command,
        env=case.env,
        cwd=case.directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout, done.stderr
