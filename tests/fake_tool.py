"""Stand in for pip or uv: answer for the version, or record the start.

It runs by itself, under the shebang that `tests.sandbox` puts before it, with the literals
`RECORDS`, `ANSWER` and `MODULE` filled in below. What it does is chosen by variables:

- `FAKE_STATUS`: the status it ends with; `FAKE_SIGNAL`: the signal that it kills itself with
- `FAKE_STDOUT`, `FAKE_STDERR`: what it writes
- `FAKE_STDIN`: set, it reads its standard input to the end and records that too
- `FAKE_WAIT`: set, it waits for a signal after it has recorded its start
- `FAKE_SHELL`: a shell command that it runs after it has recorded its start, with its own
  environment; the status becomes its own

Most tests start it several times, so it imports little: a record is a Python literal.
"""

from __future__ import annotations

import os
import sys

RECORDS = "@RECORDS@"
ANSWER = "@ANSWER@"

NAMED_FILES = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT", "SSL_CERT_FILE", "PIP_CERT")
SIGNALLED = ("FAKE_WAIT", "FAKE_SIGNAL", "FAKE_SHELL", "FAKE_STDIN")


def asks_for_version(args: list[str]) -> bool:
    """Return whether these arguments ask for the version and nothing else."""
    rest = args[2:] if args[:1] == ["-m"] else args
    return bool({"--version", "-V"} & set(rest)) and all(arg.startswith("-") for arg in rest)


def contents() -> dict[str, bytes]:
    """Return what the paths in the environment yield, for each variable that names one."""
    found = {}
    for name in NAMED_FILES:
        if os.environ.get(name):
            try:
                with open(os.environ[name], "rb") as file:
                    found[name] = file.read()
            except OSError:
                continue
    return found


def record(name: str, content: object) -> None:
    """Write the content as the next numbered file of this name, whole or not at all."""
    number = 1
    temporary = f"{RECORDS}/.{name}-{os.getpid()}"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(ascii(content))
    while True:
        try:
            os.link(temporary, f"{RECORDS}/{name}-{number:04}")
            break
        except FileExistsError:
            number += 1
    os.unlink(temporary)


def main() -> int:
    """Act as the tool and return its exit status."""
    argv = [os.fsencode(arg) for arg in sys.argv]
    if asks_for_version(sys.argv[1:]):
        record("version", argv)
        sys.stdout.write(f"{ANSWER}\n")
        return 0
    if any(name in os.environ for name in SIGNALLED):
        return steered(argv)
    observe(argv, None)
    return int(os.environ.get("FAKE_STATUS") or 0)


def observe(argv: list[bytes], stdin: bytes | None) -> None:
    """Record the start, and write what the variables say."""
    content = {
        "argv": argv,
        "env": dict(os.environb),
        "files": contents(),
        "stdin": stdin,
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "cwd": os.getcwd(),
    }
    record("run", content)
    sys.stdout.write(os.environ.get("FAKE_STDOUT", ""))
    sys.stdout.flush()
    sys.stderr.write(os.environ.get("FAKE_STDERR", ""))


def steered(argv: list[bytes]) -> int:
    """Act as the variables say that make it wait, read, run something or kill itself."""
    import signal
    import subprocess

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    observe(argv, sys.stdin.buffer.read() if "FAKE_STDIN" in os.environ else None)
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
