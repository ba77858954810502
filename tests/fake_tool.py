"""The program that stands in for pip and uv: it answers for its version, or records its start.

It runs by itself, under the shebang that `tests.sandbox` puts before it, with the literals
`RECORDS`, `ANSWER` and `MODULE` filled in below. What it does is chosen by variables:

- `FAKE_STATUS`: the status it ends with; `FAKE_SIGNAL`: the signal that it kills itself with
- `FAKE_STDOUT`, `FAKE_STDERR`: what it writes
- `FAKE_STDIN`: set, it reads its standard input to the end and records that too
- `FAKE_WAIT`: set, it waits for a signal after it has recorded its start
- `FAKE_SHELL`: a shell command that it runs after it has recorded its start, with its own
  environment; the status becomes its own
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

RECORDS = "@RECORDS@"
ANSWER = "@ANSWER@"

NAMED_FILES = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT", "SSL_CERT_FILE", "PIP_CERT")


def text(data: bytes) -> str:
    """Return bytes as JSON can hold them."""
    return base64.b64encode(data).decode("ascii")


def asks_for_version(args: list[str]) -> bool:
    """Return whether these arguments ask for the version and nothing else."""
    rest = args[2:] if args[:1] == ["-m"] else args
    return bool({"--version", "-V"} & set(rest)) and all(arg.startswith("-") for arg in rest)


def contents() -> dict[str, str]:
    """Return what the paths in the environment yield, for each variable that names one."""
    found = {}
    for name in NAMED_FILES:
        if os.environ.get(name):
            try:
                found[name] = text(Path(os.environ[name]).read_bytes())
            except OSError:
                continue
    return found


def record(name: str, content: object) -> None:
    """Write the content as the next numbered file of this name, whole or not at all."""
    number = 1
    temporary = Path(RECORDS, f".{name}-{os.getpid()}")
    temporary.write_text(json.dumps(content), encoding="ascii")
    while True:
        try:
            os.link(temporary, Path(RECORDS, f"{name}-{number:04}.json"))
            break
        except FileExistsError:
            number += 1
    temporary.unlink()


def main() -> int:
    """Act as the tool and return its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if asks_for_version(sys.argv[1:]):
        record("version", [text(os.fsencode(arg)) for arg in sys.argv])
        sys.stdout.write(f"{ANSWER}\n")
        return 0
    stdin = sys.stdin.buffer.read() if "FAKE_STDIN" in os.environ else None
    content = {
        "argv": [text(os.fsencode(arg)) for arg in sys.argv],
        "env": [[text(name), text(value)] for name, value in os.environb.items()],
        "files": contents(),
        "stdin": None if stdin is None else text(stdin),
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "cwd": str(Path.cwd()),
    }
    record("run", content)
    sys.stdout.write(os.environ.get("FAKE_STDOUT", ""))
    sys.stdout.flush()
    sys.stderr.write(os.environ.get("FAKE_STDERR", ""))
    if os.environ.get("FAKE_SHELL"):
        return subprocess.call(["/bin/sh", "-c", os.environ["FAKE_SHELL"]])
    if "FAKE_WAIT" in os.environ:
        signal.pause()
    if os.environ.get("FAKE_SIGNAL"):
        number = int(os.environ["FAKE_SIGNAL"])
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return int(os.environ.get("FAKE_STATUS") or 0)


if __name__ == "__main__":
    sys.exit(main())
