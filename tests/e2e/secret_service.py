"""A real Secret Service: a private D-Bus and a gnome-keyring with a keyring of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# No service directories: nothing is started on demand, no dialog above all.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={root}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
SERVICE = "mtls-run"

# Owns the service's name on the bus, and answers nothing that is sent to it.
MUTE = """
import sys
from jeepney import DBusAddress, new_method_call
from jeepney.io.blocking import open_dbus_connection
connection = open_dbus_connection(bus=sys.argv[1])
NAME = "org.freedesktop.secrets"
bus = DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus")
reply = connection.send_and_get_reply(new_method_call(bus, "RequestName", "su", (NAME, 4)))
assert reply.body == (1,), reply.body
while True:
    connection.receive()
"""


@dataclass(frozen=True)
class SecretService:
    """A running service; `env` is what a program needs to find it."""

    root: Path

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead to this service."""
        return {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.root}/bus"}

    def store(self, profile: str, passphrase: str, *, by_another: bool = False) -> None:
        """Store a profile's passphrase, as the `keyring` command would, or another program.

        keyring gives its entries one attribute more, which it does not ask for when it reads.
        """
        words = ["--label", f"{SERVICE} {profile}"]
        words += [] if by_another else ["application", "Python keyring library"]
        self._secret_tool("store", *words, profile, text=passphrase)

    def lookup(self, profile: str) -> str | None:
        """Return the passphrase stored for a profile, or None."""
        done = self._secret_tool("lookup", profile, check=False)
        return done.stdout if done.returncode == 0 else None

    def entries(self, profile: str) -> int:
        """Return how many entries there are for a profile, whoever made them."""
        command = ["secret-tool", "search", "--all", "service", SERVICE, "username", profile]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=True
        )
        return sum(line.startswith("[/") for line in done.stdout.splitlines())

    def clear(self, profile: str) -> None:
        """Forget a profile's passphrase."""
        self._secret_tool("clear", profile, check=False)

    def forget(self) -> None:
        """Forget every passphrase of every profile."""
        command = ["secret-tool", "clear", "service", SERVICE]
        subprocess.run(command, env=self._environment(), check=False, capture_output=True)

    def lock(self) -> None:
        """Lock every keyring; nothing but a new start opens them again."""
        command = ["dbus-send", f"--bus={self.env['DBUS_SESSION_BUS_ADDRESS']}", "--print-reply"]
        command += ["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets"]
        command += ["org.freedesktop.Secret.Service.Lock"]
        command += ["array:objpath:/org/freedesktop/secrets/collection/login"]
        subprocess.run(command, check=True, capture_output=True, env=self._environment())

    def _secret_tool(
        self, action: str, *words: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        *options, profile = words
        command = ["secret-tool", action, *options, "service", SERVICE, "username", profile]
        done = subprocess.run(
            command,
            input=text,
            env=self._environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
        return done

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.root / "home"), **self.env}


@contextlib.contextmanager
def running() -> Iterator[SecretService]:
    """Run a Secret Service with an unlocked keyring for as long as the context lasts."""
    with _bus() as (service, environment):
        command = ["gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock"]
        with _started(command, environment, b"the keyring's own password"):
            _await_name(service, environment)
            yield service


@contextlib.contextmanager
def mute() -> Iterator[SecretService]:
    """Have a Secret Service that never answers, as if it waited for somebody at a dialog."""
    with _bus() as (service, environment):
        command = [sys.executable, "-c", MUTE, service.env["DBUS_SESSION_BUS_ADDRESS"]]
        with _started(command, environment):
            _await_name(service, environment)
            yield service


@contextlib.contextmanager
def _bus() -> Iterator[tuple[SecretService, dict[str, str]]]:
    """Run a private D-Bus; yield the service that may come, and the environment for its daemon."""
    for program in ("dbus-daemon", "gnome-keyring-daemon", "secret-tool"):
        if shutil.which(program) is None:
            raise AssertionError(f"{program} is missing: tests/run installs it")
    # The sockets' paths have room for 107 bytes, so this is not below pytest's directories.
    with tempfile.TemporaryDirectory(prefix="mr-keys-") as folder, contextlib.ExitStack() as stack:
        service = SecretService(Path(folder))
        for name in ("home", "config", "cache", "data", "run"):
            (service.root / name).mkdir(mode=0o700)
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": f"{folder}/home",
            "XDG_CONFIG_HOME": f"{folder}/config",
            "XDG_CACHE_HOME": f"{folder}/cache",
            "XDG_DATA_HOME": f"{folder}/data",
            "XDG_RUNTIME_DIR": f"{folder}/run",
            **service.env,
        }
        config = service.root / "bus.conf"
        config.write_text(BUS.format(root=folder))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"]
        bus = stack.enter_context(_started([*command, "--print-address"], environment))
        if bus.stdout is None or not bus.stdout.readline():
            raise AssertionError(f"dbus-daemon ended with {bus.wait(10)}")
        yield service, environment


@contextlib.contextmanager
def _started(
    command: list[str], environment: dict[str, str], stdin: bytes = b""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon, fed with these bytes, and end it with the context."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        try:
            if process.stdin is not None:
                process.stdin.write(stdin)
                process.stdin.close()
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _await_name(service: SecretService, environment: dict[str, str]) -> None:
    """Wait until the service answers on the bus."""
    command = ["dbus-send", f"--bus={service.env['DBUS_SESSION_BUS_ADDRESS']}", "--print-reply"]
    command += ["--dest=org.freedesktop.DBus", "/org/freedesktop/DBus"]
    command += ["org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"]
    deadline = time.monotonic() + 20
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        if b"boolean true" in done.stdout:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"no Secret Service: {done.stdout!r} {done.stderr!r}")
        time.sleep(0.02)
