"""The gateway's own process, which ends with the tool."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from mtls_run.errors import FAILED, HandoffError, MtlsRunError
from mtls_run.handoff.gateway import server
from mtls_run.handoff.gateway.listener import listen
from mtls_run.handoff.gateway.settings import ExpiryNotice
from mtls_run.system import hardening, libc, progress

if TYPE_CHECKING:
    import socket
    from typing import Callable

    from mtls_run.handoff.gateway.settings import Settings
    from mtls_run.output import Reporter

_STACK = 512 * 1024
_CHUNK = 65536
_POLL = 0.2
_START_TIME = 21  # the field of /proc/<pid>/stat (proc_pid_stat(5)), counted from 0
_STREAMS = 3
_ARENA_MAX = -8  # malloc.h


@dataclass(frozen=True)
class Running:
    """A gateway that is ready: the proxy's URL, with the secret in it, and the run's CA as PEM."""

    proxy_url: str = field(repr=False)
    ca_pem: bytes
    expiry_notice: ExpiryNotice | None
    _close: Callable[[], None] = field(repr=False)

    def close(self) -> None:
        """End the gateway. This is for a parent that did not become the tool."""
        self._close()


def start(settings: Settings, tool_pid: int, reporter: Reporter) -> Running:
    """Start the gateway in a process of its own, which ends when the process `tool_pid` does.

    Raises HandoffError where it cannot be started, and the MtlsRunError of `settings.open_first`.
    """
    listener, secret = _listener(), server.new_secret()
    answer, to_answer = os.pipe()
    control, to_control = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        for one in (answer, to_answer, control, to_control):
            os.close(one)
        listener.close()
        raise HandoffError(
            f"the gateway cannot be started: {error.strerror}",
            hint="end other programs, or raise the limit of processes",
        ) from None
    if child == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _main(settings, listener, secret, tool_pid, reporter, to_answer, control)
        finally:
            os._exit(0)
    os.close(to_answer)
    os.close(control)
    url = _url(listener, secret)
    listener.close()
    os.waitpid(child, 0)
    # It may log in to a token or run a command first. With -v it writes to the terminal itself.
    quiet = reporter.quiet or reporter.verbose
    with (
        progress.shown(lambda: "starting the gateway", quiet=quiet),
        os.fdopen(answer, "rb") as stream,
    ):
        ready = stream.read()

    def close() -> None:
        with contextlib.suppress(OSError):
            os.write(to_control, b".")
        with contextlib.suppress(OSError):
            os.close(to_control)

    try:
        ca_pem, *notice = _answered(ready)
        expiry_notice = ExpiryNotice(*notice) if notice else None
        return Running(url, ca_pem.encode("ascii"), expiry_notice, close)
    except MtlsRunError:
        close()
        raise


def start_in_process(settings: Settings, reporter: Reporter) -> Running:
    """Start the gateway in a thread of this process, which outlives the tool.

    Raises HandoffError, and the MtlsRunError of `settings.open_first`.
    """
    listener, secret = _listener(), server.new_secret()
    try:
        gateway = _gateway(settings, listener, secret, reporter.detail)
        notice = settings.open_first()
    except MtlsRunError:
        listener.close()
        raise
    threading.Thread(target=gateway.serve, daemon=True).start()
    return Running(_url(listener, secret), gateway.ca_pem, notice, gateway.close)


def ask_in_child(question: Callable[[], bool]) -> bool:
    """Return the answer, which a child of this process finds; raises the MtlsRunError it raises."""
    answer, to_answer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _write(to_answer, {"answer": ["yes"] if question() else []})
        except MtlsRunError as error:
            _write(to_answer, _told(error))
        finally:
            os._exit(0)
    os.close(to_answer)
    with os.fdopen(answer, "rb") as stream:
        found = stream.read()
    os.waitpid(child, 0)
    return bool(_answered(found))


def _told(error: MtlsRunError) -> dict[str, object]:
    return {"fact": error.fact, "hint": error.hint, "status": error.status, "code": error.code}


def _listener() -> socket.socket:
    try:
        return listen()
    except OSError as error:
        raise HandoffError(
            f"the gateway cannot listen on 127.0.0.1: {error.strerror}",
            hint="ip link set lo up",
        ) from None


def _gateway(
    settings: Settings, listener: socket.socket, secret: str, log: Callable[[str], None]
) -> server.Gateway:
    try:
        return server.Gateway(settings, listener, secret, log)
    except OSError as error:
        raise HandoffError(
            "the gateway cannot tell whose a connection is: "
            f"{error.filename or '/proc'}: {error.strerror}",
            hint="mount /proc",
        ) from None


def _url(listener: socket.socket, secret: str) -> str:
    return f"http://{server.USER}:{secret}@127.0.0.1:{listener.getsockname()[1]}"


def _answered(ready: bytes) -> list[str]:
    """Return a process's answer; raises the error that it tells of."""
    try:
        found = json.loads(ready)
    except ValueError:
        raise HandoffError(
            "the gateway ended before it was ready", hint="mtls-run -v doctor"
        ) from None
    if "answer" in found:
        return [str(one) for one in found["answer"]]
    raise HandoffError(
        found["fact"], hint=found["hint"], status=found["status"], code=found["code"]
    )


def _main(
    settings: Settings,
    listener: socket.socket,
    secret: str,
    tool_pid: int,
    reporter: Reporter,
    to_answer: int,
    control: int,
) -> NoReturn:
    """Run the gateway in this process, until the tool ends."""
    try:
        tool = _open_process(tool_pid)
        kept = [listener.fileno(), to_answer, control]
        _leave_terminal(kept if tool.descriptor is None else [*kept, tool.descriptor], reporter)
        hardening.disable_core_dumps()
        hardening.forbid_core_dumps()
        threading.stack_size(_STACK)
        _limit_arenas()
        threading.Thread(target=_end_with, args=(tool, control), daemon=True).start()
        gateway = _gateway(settings, listener, secret, reporter.detail)
        notice = settings.open_first() or ()
        _write(to_answer, {"answer": [gateway.ca_pem.decode("ascii"), *notice]})
    except MtlsRunError as error:
        _write(to_answer, _told(error))
        os._exit(FAILED)
    except BaseException as error:  # noqa: BLE001 - nobody is above this
        fact = f"the gateway cannot be started: {type(error).__name__}"
        _write(
            to_answer,
            {"fact": fact, "hint": "mtls-run doctor", "status": FAILED, "code": "handoff-failed"},
        )
        os._exit(FAILED)
    try:
        gateway.serve()
    finally:
        os._exit(0)


def _write(descriptor: int, told: object) -> None:
    with contextlib.suppress(OSError), os.fdopen(descriptor, "wb") as stream:
        stream.write(json.dumps(told).encode("ascii"))


def _leave_terminal(kept: list[int], reporter: Reporter) -> None:
    """Keep nothing of the tool's: its terminal, pipes, files, directory and signals.

    With `-v`, standard error stays, for the decisions.
    """
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(_STREAMS):
        if nowhere != stream and not (stream == _STREAMS - 1 and reporter.verbose):
            os.dup2(nowhere, stream)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= _STREAMS and int(name) not in kept:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed already
                os.close(int(name))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _limit_arenas() -> None:
    """Let glibc keep the memory of all threads in one heap: it has up to eight for each core."""
    with contextlib.suppress(OSError):  # musl has no such thing
        libc.function("mallopt")(_ARENA_MAX, 1)


@dataclass(frozen=True)
class _Process:
    """A process, by a descriptor, or by its number and start time where the kernel has none."""

    pid: int
    descriptor: int | None
    started: bytes | None

    def has_ended(self) -> bool:
        """Tell whether the process has ended, or another one has its number."""
        return _start_time(self.pid) != self.started


def _open_process(pid: int) -> _Process:
    """Return the process; raises OSError where there is none."""
    started = _start_time(pid)
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(PermissionError, NotImplementedError):
            try:
                return _Process(pid, os.pidfd_open(pid), started)
            except OSError as error:
                if error.errno != errno.ENOSYS:  # Linux before 5.3, and gVisor
                    raise
    if started is None:
        raise ProcessLookupError(errno.ESRCH, "the tool has ended")
    return _Process(pid, None, started)


def _start_time(pid: int) -> bytes | None:
    """Return when the process started, in the kernel's ticks, or None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    state, started = fields[0], fields[_START_TIME - 2]
    return None if state in b"ZX" else started


def _end_with(tool: _Process, control: int) -> NoReturn:
    """End this process when the tool ends, or when the parent asks for it before."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    if tool.descriptor is not None:
        poll.register(tool.descriptor, select.POLLIN)
    is_controlled = True
    while True:
        timeout = None if tool.descriptor is not None else _POLL * 1000
        for descriptor, _ in poll.poll(timeout):
            if descriptor != control:
                os._exit(0)
            if os.read(control, 1):
                os._exit(0)
            poll.unregister(control)  # the parent became the tool
            is_controlled = False
        if tool.descriptor is None and tool.has_ended():
            os._exit(0)
        if tool.descriptor is None and not is_controlled:
            time.sleep(_POLL)
