"""Measure the gateway beside the same tool without it.

    python -m tests.bench.gateway [--rounds N]

Prints a table of ratios. Each round runs a case directly and through the gateway, one right after
the other, against the same nginx.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import sslcontext
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_run.config.scope import HostPattern, Scope
from mtls_run.handoff.gateway import process
from mtls_run.handoff.gateway.settings import ScopedIdentity, Settings
from mtls_run.output import Reporter
from tests.e2e import server, toolbox
from tests.e2e.packages import wheel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from typing import Callable

    from mtls_run.handoff.gateway.process import Running
    from tests.e2e.server import Server
    from tests.e2e.toolbox import Tool
    from tests.pki import Issued

WHEELS = 200
LARGE = 100 * 1024 * 1024
SIGNATURE = 0.5  # seconds that a slow token takes
LIMITS = {"start": 0.25, "idle": 25.0, "large": 1 / 0.6, "many": 1.5, "signed": 5.0}


MTLS_RUN = str(Path(sys.executable).with_name("mtls-run"))
START = "start of `mtls-run -- true` over `true`, s|start"
SIGNED = f"200 wheels, uv, by a token that takes {SIGNATURE} s a signature, s more|signed"


def add_packages(www: Path) -> None:
    """Add 200 small wheels, and one of 100 MB, to the index."""
    for number in range(WHEELS):
        name = f"many_{number:03}"
        add(www, name, wheel(name, "1.0", f"VERSION = {number}\n" + "#" * 20_000))
    path = www / "files" / "large-1.0-py3-none-any.whl"
    path.write_bytes(wheel("large", "1.0", "VERSION = '1.0'\n"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr("large_data.bin", os.urandom(1 << 20) * (LARGE >> 20))
    add(www, "large", None)


def add(www: Path, name: str, content: bytes | None) -> None:
    """Add one wheel, and its page."""
    file = www / "files" / f"{name}-1.0-py3-none-any.whl"
    if content is not None:
        file.write_bytes(content)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    page = www / "simple" / name.replace("_", "-") / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        f'<!DOCTYPE html><a href="../../files/{file.name}#sha256={digest}">{file.name}</a>'
    )


def seconds(root: Path, tool: Tool, env: dict[str, str], url: str, words: list[str]) -> float:
    """Return how long an installation takes, with an empty cache."""
    target = root / "target"
    shutil.rmtree(target, ignore_errors=True)
    command = [str(tool.program), "pip", "install", "--no-cache", "--no-deps"]
    command += ["--python", sys.executable]
    if tool.kind == "pip":
        command = [str(tool.program), "install", "--no-cache-dir", "--no-deps", "--no-compile"]
    command += ["--target", str(target), "--index-url", url, *words]
    began = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - began


def environment(root: Path, **more: str) -> dict[str, str]:
    """Return an environment for pip and uv without this machine's settings."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(root),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_USE_DEPRECATED": "legacy-certs",
        **more,
    }


class SlowSigner:
    """Stands for a slow token: a key in memory, and a pause before each signature."""

    supports_pss = False

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    def sign(self, digest: bytes, **_: object) -> bytes:
        """Return the signature of a SHA-256, late."""
        time.sleep(SIGNATURE)
        return self._key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def from_slow_token(identity: Issued) -> Callable[[ssl.SSLContext], None]:
    """Return what makes a context sign as a slow token does."""
    assert isinstance(identity.key, ec.EllipticCurvePrivateKey)
    signer = SlowSigner(identity.key)
    leaf, *above = [
        one.public_bytes(Encoding.DER) for one in (identity.certificate, *identity.chain)
    ]
    presented = sslcontext.Identity(leaf, signer, tuple(above))
    return lambda context: sslcontext.load_identity(context, presented)


def start_slow(nginx: Server, identity: Issued) -> Running:
    """Start a gateway whose token is slow, until this process ends."""
    scope = Scope((HostPattern("localhost", nginx.port),))
    found = ScopedIdentity("a", scope, from_slow_token(identity))
    settings = Settings(
        (found,),
        nginx.server_ca.pem,
        frozenset({"GET", "HEAD"}),
        lambda _host, _port: None,
        lambda: None,
    )
    return process.start(settings, os.getpid(), Reporter())


def configure(root: Path, nginx: Server) -> dict[str, str]:
    """Write a profile for the index, and return the environment of a run of mtls-run."""
    config = root / "mtls-run.toml"
    config.write_text(
        f"default-profile = 'corp'\n[profiles.corp]\nclient-cert = '{root}/alice.pem'\n"
        f"ca-cert = '{root}/ca.pem'\nhosts = ['localhost:{nginx.port}']\n"
    )
    return environment(root, MTLS_RUN_CONFIG=str(config))


def run_seconds(env: dict[str, str], *command: str) -> float:
    """Return how long a command takes."""
    began = time.perf_counter()
    subprocess.run(command, env=env, check=True, capture_output=True)
    return time.perf_counter() - began


@contextlib.contextmanager
def running(env: dict[str, str], ca: Path) -> Iterator[tuple[str, int]]:
    """Run a tool that waits, with the gateway; yield the proxy's URL and the gateway's process.

    The CA bundle that the tool gets is copied to `ca`.
    """
    script = 'cp "$SSL_CERT_FILE" "$0"; echo "$HTTPS_PROXY"; read _'
    with subprocess.Popen(
        [MTLS_RUN, "--", "sh", "-c", script, str(ca)],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as tool:
        assert tool.stdout is not None
        yield tool.stdout.readline().strip(), gateway_pid(tool.pid, str(ca).encode())


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith("VmRSS")]
    return int(found) / 1024


def gateway_pid(tool: int, word: bytes) -> int:
    """Return the process that has this word in its command line, and is not the tool."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == tool:
            continue
        with contextlib.suppress(OSError):
            if word in (entry / "cmdline").read_bytes().split(b"\0"):
                return int(entry.name)
    raise AssertionError("there is no gateway")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each case runs")
    asked = parser.parse_args()
    uv, pip = toolbox.newest_uv().ready(), toolbox.newest_pip().ready()
    measured: dict[str, list[float]] = {}
    with (
        contextlib.ExitStack() as stack,
        tempfile.TemporaryDirectory() as folder,
        server.running() as nginx,
    ):
        root = Path(folder)
        add_packages(nginx.root / "www")
        alice = nginx.issuer.issue("alice")
        (root / "alice.pem").write_bytes(alice.pem())
        (root / "ca.pem").write_bytes(nginx.server_ca.pem)
        direct = environment(
            root,
            SSL_CERT_FILE=str(root / "ca.pem"),
            PIP_CERT=str(root / "ca.pem"),
            SSL_CLIENT_CERT=str(root / "alice.pem"),
            PIP_CLIENT_CERT=str(root / "alice.pem"),
        )
        many = [f"many-{number:03}" for number in range(WHEELS)]
        own, ca = configure(root, nginx), root / "run-ca.pem"
        proxy, pid = stack.enter_context(running(own, ca))
        through = environment(root, SSL_CERT_FILE=str(ca), PIP_CERT=str(ca), HTTPS_PROXY=proxy)
        measured["resident memory after its start, MB|idle"] = [resident(pid)]
        for _ in range(asked.rounds):
            more = run_seconds(own, MTLS_RUN, "--", "true") - run_seconds(own, "true")
            measured.setdefault(START, []).append(more)
            for shown, tool, words in (
                (f"100 MB, {uv}, times direct|large", uv, ["large"]),
                (f"100 MB, {pip}, times direct|large", pip, ["large"]),
                (f"200 wheels, {uv}, times direct|many", uv, many),
            ):
                one = seconds(root, tool, direct, nginx.url, words)
                other = seconds(root, tool, through, nginx.url, words)
                sys.stderr.write(f"{shown}: {one:.2f} s, {other:.2f} s\n")
                measured.setdefault(shown, []).append(other / one)
            one = seconds(root, uv, through, nginx.url, many)
            slow = start_slow(nginx, alice)  # anew: the one before has sessions to resume
            (root / "slow-ca.pem").write_bytes(slow.ca_pem)
            slow_ca = str(root / "slow-ca.pem")
            slowly = environment(root, SSL_CERT_FILE=slow_ca, HTTPS_PROXY=slow.proxy_url)
            other = seconds(root, uv, slowly, nginx.url, many)
            slow.close()
            sys.stderr.write(f"{SIGNED}: {one:.2f} s, {other:.2f} s\n")
            measured.setdefault(SIGNED, []).append(other - one)
        measured["resident memory after all this, MB|idle"] = [resident(pid)]
    lines = ["| | median | at most | reached |", "|---|--:|--:|---|"]
    for name, values in measured.items():
        shown, _, limit = name.partition("|")
        value = statistics.median(values)
        reached = "yes" if value <= LIMITS[limit] else "**no**"
        lines.append(f"| {shown} | {value:.2f} | {LIMITS[limit]:.2f} | {reached} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
