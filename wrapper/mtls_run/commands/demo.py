"""`mtls-run demo`: the whole road on this machine, on a throwaway index, key and passphrase."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.config import layers
from mtls_run.demo.environment import demo_environment
from mtls_run.demo.index import ADDRESSES, HOST, Index
from mtls_run.demo.interruption import undisturbed, unwinding
from mtls_run.demo.pki import Authority
from mtls_run.demo.stage import Stage
from mtls_run.demo.story import Story
from mtls_run.demo.wheel import demo_wheels
from mtls_run.errors import MtlsRunError, UsageError
from mtls_run.output import answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

USAGE = """\
Usage: mtls-run demo

Show the whole road on this machine, with nothing to set up: a package index on localhost that
demands a client certificate, and a key that is locked with a passphrase, both made for this demo
alone. pip, and uv where there is one, are refused without mtls-run and install a package with it.
Needs no network, and leaves nothing behind.

Exit status: 0 if the package was installed and imports; 125 if anything failed.
"""

_CONFIG = """\
default-profile = "demo"

[profiles.demo]
client-cert = "client.pem"
client-key  = "client.key"
ca-cert     = "ca.pem"
roots       = "none"
passphrase  = { file = "passphrase" }
"""

_USER = "demo user"

_INVENTORY = f"""\
ca.pem        a certificate authority
client.pem    a client certificate that it issued, for "{_USER}"
client.key    the key to it, locked with a passphrase
passphrase    the passphrase; a keyring holds it in real life
config.toml   what mtls-run is told:
"""


def run(arguments: Sequence[str]) -> int:
    """Play the demo and return 0.

    Raises UsageError for arguments other than `--help`, and MtlsRunError where something did not
    go as the story says.
    """
    if any(argument in {"-h", "--help"} for argument in arguments):
        answer(USAGE.rstrip("\n"))
        return 0
    if arguments:
        raise UsageError(
            f"demo takes no arguments, but there is `{arguments[0]}`", hint="run: mtls-run demo"
        )
    _require_venv_modules()
    story = Story.on_stdout()
    with unwinding(), _private_directory() as root:
        _play(root, story)
    own = layers.user_file(os.environ).value
    story.end(f"Everything that this demo made is removed again. Your own profiles go into {own}")
    return 0


def _require_venv_modules() -> None:
    """Raise where this Python cannot make a virtual environment with pip.

    Debian and its kin ship the two modules in a package of their own.
    """
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise MtlsRunError(
                f"{sys.executable} has no module {module}: it can make no virtual environment",
                hint=f"on Debian and Ubuntu: sudo apt install python{version}-venv",
            )


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    """Give a directory that only this user can read, and remove it whatever happens.

    Raises MtlsRunError where there is no place for one, or where it cannot be removed.
    """
    try:
        # Its finalizer removes it even where an interruption comes before the next line.
        directory = tempfile.TemporaryDirectory(prefix="mtls-run-demo-")
    except OSError as error:
        raise MtlsRunError(
            f"the demo needs a temporary directory: {error.strerror}",
            hint="TMPDIR names one where there is room and programs may run",
        ) from error
    try:
        yield Path(directory.name).resolve()
    finally:
        with undisturbed():
            try:
                directory.cleanup()
            except OSError as error:
                raise MtlsRunError(
                    f"{directory.name} could not be removed: {error.strerror}",
                    hint="remove it yourself; it holds nothing but the demo",
                ) from error


def _play(root: Path, story: Story) -> None:
    """Set the stage in this directory and play on it."""
    index = Index(demo_wheels())
    try:
        _write_files(root)
        server_identity = root / "server.pem"
        with index.serving(identity=server_identity, client_ca=root / "ca.pem"):
            server_identity.unlink()  # it is in memory now
            env = demo_environment(os.environ, root=root, config=root / "config.toml")
            _tell(Stage(root, story, index, env))
    except BrokenPipeError:
        raise  # nobody reads the story any more
    except OSError as error:
        raise MtlsRunError(
            f"the demo cannot be set up: {error}",
            hint="it needs a private place for temporary files: TMPDIR names one",
        ) from error


def _tell(stage: Stage) -> None:
    """Tell the story."""
    story = stage.story
    story.title("mtls-run demo: an index that asks for a client certificate, and a locked key")

    story.step(f"What is made for it, in {stage.root}")
    story.show(_INVENTORY)
    story.show(textwrap.indent(_CONFIG, " " * 14))
    story.say(
        f"The index is {stage.index.url} on this machine. It hangs up on whoever shows no "
        "certificate of this authority. It has hello-mtls, which needs hello-mtls-words."
    )
    venvs = [stage.make_venv("pip-env", with_pip=True)]
    stage = stage.with_first_on_path(venvs[0])
    uv = stage.find_uv()

    install = ["pip", "install", "--index-url", stage.index.url, "hello-mtls"]
    story.step("pip without mtls-run")
    story.say(
        "The pip of that environment trusts the index (PIP_CERT): only the client certificate is "
        "missing. To name it would not help: pip asks for a passphrase once per connection."
    )
    stage.expect_refusal(install, venvs[0].program("pip"), "PIP_CERT")
    story.step("pip with mtls-run")
    stage.expect_installation(install)

    if isinstance(uv, str):
        story.step("uv is left out")
        story.say(uv)
    else:
        story.step(f"uv {uv.version} without mtls-run")
        venvs.append(stage.make_venv("uv-env", with_pip=False))
        install = ["uv", "pip", *install[1:], "--python", venvs[-1].python]
        story.say(
            "uv trusts the index too (SSL_CERT_FILE). Handed a locked key, it would ignore it and "
            "go on without."
        )
        stage.expect_refusal(install, uv.path, "SSL_CERT_FILE")
        story.step("uv with mtls-run: the same profile")
        stage.expect_installation(install)

    story.step("What was installed")
    for venv in venvs:
        stage.expect_greeting(venv)


def _write_files(root: Path) -> None:
    """Make the authority, the identities and the profile; the passphrase is nowhere but here."""
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
        ("config.toml", _CONFIG.encode()),
    ):
        descriptor = os.open(root / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as opened:  # noqa: PTH123 - a Path has no descriptor
            opened.write(content)
