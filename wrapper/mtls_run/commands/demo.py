"""`mtls-run demo`: use mtls-run on this machine, with a throwaway index, key and passphrase."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from mtls_run.commands import runner
from mtls_run.config import layers
from mtls_run.demo.environment import demo_environment
from mtls_run.demo.index import ADDRESSES, HOST, Index
from mtls_run.demo.pki import Authority
from mtls_run.demo.programs import Programs
from mtls_run.demo.steps import Steps
from mtls_run.demo.transcript import Transcript
from mtls_run.demo.wheel import demo_wheels, key_seeker
from mtls_run.errors import MtlsRunError
from mtls_run.handoff import registry

_CONFIG = """\
default-profile = "demo"

[profiles.demo]
client-cert = "client.pem"
client-key  = "client.key"
ca-cert     = "ca.pem"
roots       = "none"
passphrase  = { file = "passphrase" }
"""

_GATEWAY_CONFIG = """\
default-profile = "demo"

[profiles.by-file]
client-cert = "client.pem"
client-key  = "client.key"
ca-cert     = "ca.pem"
roots       = "none"
passphrase  = {{ file = "passphrase" }}

[profiles.demo]
extends     = "by-file"
hosts       = ["{host}"]
"""

_USER = "demo user"

_INVENTORY = f"""\
ca.pem        a certificate authority
client.pem    a client certificate that it issued, for "{_USER}"
client.key    the key to it, locked with a passphrase
passphrase    the passphrase; otherwise a keyring holds it
config.toml   the configuration of mtls-run:
"""


@click.command(cls=runner.Command, epilog="Example: mtls-run demo --gateway")
@click.option("--gateway", is_flag=True, help="Show the gateway, which keeps the key from pip.")
def demo(*, gateway: bool) -> int:
    """Show what mtls-run does, on this machine.

    The demo makes a package index on localhost that asks for a client certificate, and a key that a
    passphrase locks. The index refuses pip, and uv if it is installed. With mtls-run, both install
    a package from it. The demo needs no network and no setup, and removes everything that it made.

    With --gateway, the demo shows who can read the key: a package that pip builds can, and with the
    gateway it cannot.

    The exit status is 0 if all of it went as the demo says, and 125 if not.
    """
    if gateway:
        registry.GATEWAY.check()
    _require_venv_modules()
    transcript = Transcript()
    programs = Programs()
    with programs.stopped_by_signals(), _private_directory(programs) as root:
        try:
            (_play_gateway if gateway else _play)(root, transcript, programs)
        except BrokenPipeError:
            raise  # nobody reads the transcript any more
        except OSError as error:
            raise MtlsRunError(
                f"cannot set up the demo: {error}",
                hint="set TMPDIR to a directory with room, where programs may run",
            ) from error
    own = layers.user_file(os.environ).value
    transcript.end(
        f"Everything that this demo made is removed again. Your own profiles go into {own}"
    )
    return 0


run = runner.entry(demo)


def _require_venv_modules() -> None:
    """Raise MtlsRunError if this Python cannot make a virtual environment with pip.

    Debian has the two modules in a package of their own.
    """
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise MtlsRunError(
                f"{sys.executable} has no module {module}: cannot make a virtual environment",
                hint=f"on Debian and Ubuntu: sudo apt install python{version}-venv",
            )


@contextlib.contextmanager
def _private_directory(programs: Programs) -> Iterator[Path]:
    """Make a directory that only this user can read, and remove it at the end of the block.

    Raises MtlsRunError if it cannot be made or removed.
    """
    try:
        # Its finalizer removes it even if a signal comes before the next line.
        directory = tempfile.TemporaryDirectory(prefix="mtls-run-demo-")
    except OSError as error:
        raise MtlsRunError(
            f"cannot make a temporary directory: {error.strerror}",
            hint="set TMPDIR to a directory with room, where programs may run",
        ) from error
    try:
        yield Path(directory.name).resolve()
    finally:
        programs.hold_signals()
        try:
            directory.cleanup()
        except OSError as error:
            raise MtlsRunError(
                f"cannot remove {directory.name}: {error.strerror}",
                hint="remove it yourself; it holds only the demo",
            ) from error


def _play(root: Path, transcript: Transcript, programs: Programs) -> None:
    """Set up an index that requires a certificate, and show pip and uv with it."""
    index = Index(demo_wheels())
    _write_files(root, _CONFIG)
    with index.serving(identity=root / "server.pem", client_ca=root / "ca.pem"):
        (root / "server.pem").unlink()  # it is in memory now
        env = demo_environment(os.environ, root=root, config=root / "config.toml")
        _run_steps(Steps(root, transcript, index, env, programs))


def _play_gateway(root: Path, transcript: Transcript, programs: Programs) -> None:
    """Set up two indexes, and show who gets the key and the certificate by the gateway."""
    index, other = Index([*demo_wheels(), key_seeker()]), Index(demo_wheels())
    _write_files(root, "")
    server, ca = root / "server.pem", root / "ca.pem"
    with (
        index.serving(identity=server, client_ca=ca),
        other.serving(identity=server, client_ca=ca, required=False),
    ):
        server.unlink()
        config = root / "config.toml"
        host = index.url.split("/")[2]
        config.write_text(_GATEWAY_CONFIG.format(host=host), encoding="utf-8")
        env = demo_environment(os.environ, root=root, config=config)
        _run_gateway_steps(Steps(root, transcript, index, env, programs), other)


def _run_gateway_steps(steps: Steps, other: Index) -> None:
    transcript = steps.transcript
    transcript.title("mtls-run demo --gateway: a key that is never handed over")

    transcript.step(f"What is made for it, in {steps.root}")
    transcript.show(_INVENTORY)
    transcript.show(textwrap.indent((steps.root / "config.toml").read_text(), " " * 14))
    transcript.say(
        f"The index {steps.index.url} refuses every client without a certificate. It has "
        "key-seeker, a package whose build looks for a private key. A second index, "
        f"{other.url}, asks for a certificate too, and serves everybody."
    )
    venv = steps.make_venv("pip-env", with_pip=True)
    steps = steps.with_first_on_path(venv)

    transcript.step("With the key handed to pip, each package that is built can read it")
    steps.build_key_seeker(venv, index=steps.index, uses_gateway=False)
    transcript.step("With the gateway, pip gets the package and never has the key")
    steps.build_key_seeker(venv, index=steps.index, uses_gateway=True)
    transcript.step("The certificate is shown to the hosts of the profile alone")
    words = ["pip", "download", "-q", "--no-cache-dir", "-d", "wheels"]
    steps.expect_nobody([*words, "--index-url", other.url, "hello-mtls"], other)


def _run_steps(steps: Steps) -> None:
    """Run each step, with a heading and an explanation."""
    transcript = steps.transcript
    transcript.title("mtls-run demo: an index that asks for a client certificate, and a locked key")

    transcript.step(f"What is made for it, in {steps.root}")
    transcript.show(_INVENTORY)
    transcript.show(textwrap.indent(_CONFIG, " " * 14))
    transcript.say(
        f"The index is {steps.index.url} on this machine. It refuses every client without a "
        "certificate of this authority. It has hello-mtls, which needs hello-mtls-words."
    )
    venvs = [steps.make_venv("pip-env", with_pip=True)]
    steps = steps.with_first_on_path(venvs[0])
    uv = steps.find_uv()

    install = ["pip", "install", "--index-url", steps.index.url, "hello-mtls"]
    transcript.step("pip without mtls-run")
    transcript.say(
        "pip in that environment trusts the index (PIP_CERT), but has no client certificate. "
        "PIP_CLIENT_CERT would not help: pip asks for the passphrase at every connection."
    )
    steps.expect_refusal(install, venvs[0].program("pip"), "PIP_CERT")
    transcript.step("pip with mtls-run")
    steps.expect_installation(install)

    if isinstance(uv, str):
        transcript.step("uv is left out")
        transcript.say(uv)
    else:
        transcript.step(f"uv {uv.version} without mtls-run")
        venvs.append(steps.make_venv("uv-env", with_pip=False))
        install = ["uv", "pip", *install[1:], "--python", venvs[-1].python]
        transcript.say(
            "uv trusts the index too (SSL_CERT_FILE). With a locked key, uv would go on without "
            "the certificate."
        )
        steps.expect_refusal(install, uv.path, "SSL_CERT_FILE")
        transcript.step("uv with mtls-run: the same profile")
        steps.expect_installation(install)

    transcript.step("What was installed")
    for venv in venvs:
        steps.expect_greeting(venv)


def _write_files(root: Path, config: str) -> None:
    """Make the authority, the identities and the profile. The passphrase is in its file alone."""
    authority = Authority()
    client = authority.issue_client(_USER)
    server = authority.issue_server([HOST, *ADDRESSES])
    passphrase = secrets.token_urlsafe(24).encode()
    for name, content in (
        ("ca.pem", authority.certificate_pem()),
        ("client.pem", client.certificate_pem()),
        ("client.key", client.key_pem(passphrase)),
        ("passphrase", passphrase),
        ("server.pem", server.certificate_pem() + server.key_pem()),
        ("config.toml", config.encode()),
    ):
        path = root / name
        path.touch(mode=0o600, exist_ok=False)
        path.write_bytes(content)
