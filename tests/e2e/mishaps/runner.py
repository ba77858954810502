"""Starts mtls-run as installed, and has something happen at a named point of its way.

    python -I runner.py POINT ACTION… -- WORD…

Nothing in the product knows of this: functions are wrapped, and the interpreter's audit events
heard, before `main` is called. A POINT is

- `before:MODULE:NAME` or `after:MODULE:NAME`: a function, or `Class.method`
- `event:NAME:TEXT`: an audit event of Python with this text among its arguments
- `half:TEXT`: half of what goes into a file with this text in its name has been written
- `never`

and an ACTION, done the first time that the point is reached, is

- `signal:NAME`: the process sends it to itself
- `error:NAME`: the system call fails with this error
- `leave:PATH`: a file is made there, to show that the point was reached
- `replace:FROM:TO`: a file is renamed over another
- `set:MODULE:NAME=NUMBER`: a limit of the program is another; done at once
- `shift:SECONDS`: the clock is off by so much; done at once
- `slow:FOLDER:SECONDS`: each look into this folder takes so long; done at once
"""

from __future__ import annotations

import builtins
import errno
import importlib
import os
import signal
import sys
import time
from typing import Any, Callable

Act = Callable[[], None]


def main() -> None:
    """Prepare what is to happen, and run the program."""
    at = sys.argv.index("--")
    point, actions, words = sys.argv[1], sys.argv[2:at], sys.argv[at + 1 :]
    later = []
    for action in actions:
        kind, _, rest = action.partition(":")
        if kind in ("set", "shift", "slow"):
            NOW[kind](rest)
        else:
            later.append(LATER[kind](rest))
    done: list[bool] = []

    def happen() -> None:
        if not done:
            done.append(True)
            for act in later:
                act()

    kind, _, rest = point.partition(":")
    if kind in POINTS:
        POINTS[kind](rest, happen)
    from mtls_run.__main__ import main as program  # noqa: PLC0415

    sys.argv = ["mtls-run", *words]
    program()


def wrap(where: str, replace: Callable[[Any], Any]) -> None:
    """Put what `replace` makes of a function in its place."""
    module, _, name = where.partition(":")
    holder: Any = importlib.import_module(module)
    *way, last = name.split(".")
    for step in way:
        holder = getattr(holder, step)
    setattr(holder, last, replace(getattr(holder, last)))


def before(where: str, happen: Act) -> None:
    """Have it happen when the function is called."""

    def replace(function: Any) -> Any:
        def wrapped(*args: Any, **options: Any) -> Any:
            happen()
            return function(*args, **options)

        return wrapped

    wrap(where, replace)


def after(where: str, happen: Act) -> None:
    """Have it happen when the function has returned."""

    def replace(function: Any) -> Any:
        def wrapped(*args: Any, **options: Any) -> Any:
            found = function(*args, **options)
            happen()
            return found

        return wrapped

    wrap(where, replace)


def event(which: str, happen: Act) -> None:
    """Have it happen when Python is about to do such a thing."""
    name, _, text = which.partition(":")

    def hook(said: str, arguments: tuple[Any, ...]) -> None:
        if said == name and text in " ".join(str(argument) for argument in arguments):
            happen()

    sys.addaudithook(hook)


def half(text: str, happen: Act) -> None:
    """Have it happen when half of a file has been written."""
    names: dict[int, str] = {}
    open_file, wrap_descriptor = os.open, os.fdopen

    def opened(path: Any, *args: Any, **options: Any) -> int:
        descriptor = open_file(path, *args, **options)
        names[descriptor] = os.fsdecode(path)
        return descriptor

    def wrapped(descriptor: int, mode: str = "r", *args: Any, **options: Any) -> Any:
        file = wrap_descriptor(descriptor, mode, *args, **options)
        return Half(file, happen) if "w" in mode and text in names.get(descriptor, "") else file

    os.open, os.fdopen = opened, wrapped  # type: ignore[assignment]


class Half:
    """A file that is interrupted while it is written."""

    def __init__(self, file: Any, happen: Act) -> None:
        self.file, self.happen = file, happen

    def __enter__(self) -> Half:  # noqa: PYI034 - Python 3.9 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> int:
        """Write half of it, and the rest if that is still possible."""
        middle = len(content) // 2
        self.file.write(content[:middle])
        self.file.flush()
        self.happen()
        return middle + int(self.file.write(content[middle:]))


def send(name: str) -> Act:
    """Return what sends this process a signal."""
    return lambda: os.kill(os.getpid(), getattr(signal, name))


def fail(name: str) -> Act:
    """Return what fails as the system would."""
    number = getattr(errno, name)

    def act() -> None:
        raise OSError(number, os.strerror(number))

    return act


def leave(path: str) -> Act:
    """Return what makes a file."""

    def act() -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))

    return act


def rename(paths: str) -> Act:
    """Return what puts a file in another's place."""
    source, _, target = paths.partition(":")
    return lambda: os.replace(source, target)


def put(what: str) -> None:
    """Set a number in a module."""
    where, _, value = what.partition("=")
    module, _, name = where.partition(":")
    setattr(importlib.import_module(module), name, float(value))


def shift(seconds: str) -> None:
    """Let the clock of this process be off."""
    import datetime as dt  # noqa: PLC0415

    by, clock, clock_ns, plain = float(seconds), time.time, time.time_ns, dt.datetime

    class Shifted(plain):  # type: ignore[misc,valid-type]
        """The time of day, off by as much."""

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            """Return what the clock says."""
            return plain.now(tz) + dt.timedelta(seconds=by)

    time.time = lambda: clock() + by
    time.time_ns = lambda: clock_ns() + int(by * 1e9)
    dt.datetime = Shifted  # type: ignore[misc]


def slow(what: str) -> None:
    """Let each look below a folder take a while, as where it is far away."""
    folder, _, seconds = what.rpartition(":")
    pause = float(seconds)
    for module, name in (
        *((os, name) for name in ("open", "stat", "lstat", "mkdir", "replace", "listdir")),
        (builtins, "open"),
    ):
        function = getattr(module, name)

        def delayed(path: Any, *args: Any, function: Any = function, **options: Any) -> Any:
            is_path = isinstance(path, (str, bytes, os.PathLike))
            if is_path and os.fsdecode(path).startswith(folder):
                time.sleep(pause)
            return function(path, *args, **options)

        setattr(module, name, delayed)


POINTS = {"before": before, "after": after, "event": event, "half": half}
NOW = {"set": put, "shift": shift, "slow": slow}
LATER = {"signal": send, "error": fail, "leave": leave, "replace": rename}

if __name__ == "__main__":
    main()
