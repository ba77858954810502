"""What is measured: homes with a profile, the real tools, and what others put before them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests import login_session
from tests.e2e import secret_service, toolbox
from tests.pki import Authority
from tests.sandbox import SYSTEM_PATH, Sandbox

from . import installation, probes
from .timing import Case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.e2e.secret_service import SecretService

    from .installation import Installation

PASSPHRASE = "correct horse battery staple"
# uv may use the network for this one, and has nothing to ask for: no tool is installed.
QUIET = ("uv", "tool", "list", "--outdated")
PROFILES, DIRECTORIES, DEPTH = 1000, 500, 40

# So old is a file when it is read by a run whose decision may be kept (`witness.RACY`).
SETTLED = 0.15

# The identity lies unlocked in a file of its own until the tool has ended. `exec` would leave it
# there for ever, so the shell waits.
RECIPE = """#!/bin/sh
set -eu
umask 077
identity=$(mktemp)
trap 'rm -f "$identity"' EXIT
{lookup} | openssl pkey -passin stdin -in "$HOME/pki/alice.key" -out "$identity"
cat "$HOME/pki/alice.crt" >>"$identity"
SSL_CLIENT_CERT=$identity SSL_CERT_FILE=$HOME/pki/bundle.pem "$@"
"""
ENVRC = """export SSL_CLIENT_CERT=$HOME/pki/alice.pem SSL_CERT_FILE=$HOME/pki/bundle.pem
"""


@dataclass
class Scene:
    """Everything that is there while the cases run."""

    root: Path
    installation: Installation
    keyring: SecretService | None = None
    cases: dict[str, Case] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What is not as the cases' names have it."""
    versions: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        shown: str,
        command: Sequence[str],
        sandbox: Sandbox,
        *,
        over: str | None = None,
        directory: Path | None = None,
        changes: _Rewritten | None = None,
    ) -> None:
        """Add a case; `changes` is done before each run."""
        command = [_program(command[0], sandbox), *command[1:]]
        env = dict(sandbox.env)
        folder = directory or sandbox.home
        self.cases[name] = Case(name, shown, command, env, folder, over, changes)

    def ours(
        self,
        name: str,
        shown: str,
        words: Sequence[str],
        sandbox: Sandbox,
        *,
        over: str = "uv",
        directory: Path | None = None,
        changes: _Rewritten | None = None,
    ) -> None:
        """Add a case of a tool behind mtls-run; `over` is the tool by itself."""
        command = [self.installation.program, *words]
        self.add(name, shown, command, sandbox, over=over, directory=directory, changes=changes)

    def sandbox(self, name: str) -> Sandbox:
        """Return a new home before the real uv, and a pip that does nothing at all."""
        sandbox = Sandbox.create(self.root / name)
        uv = toolbox.newest_uv().ready()
        sandbox.env["PATH"] = f"{sandbox.bin}:{uv.bin}:{SYSTEM_PATH}"
        shutil.copy(_program("true", sandbox), sandbox.bin / "pip")
        if self.keyring is not None:
            sandbox.env.update(self.keyring.env)
        return sandbox


class _Rewritten:
    """Writes a file anew, as it never was before, and waits until it counts as settled."""

    def __init__(self, path: Path, contents: Iterator[bytes]) -> None:
        self._path = path
        self._contents = contents

    def __call__(self) -> None:
        self._path.write_bytes(next(self._contents))
        time.sleep(SETTLED)


def _longer(path: Path) -> Iterator[bytes]:
    """Give what is in a file of settings, with a blank line more each time."""
    content = path.read_bytes()
    while True:
        content += b"\n"
        yield content


def _renewed() -> Iterator[bytes]:
    """Give alice's identity with a new certificate each time."""
    issuer = Authority.create("Root").intermediate("Issuer")
    while True:
        yield issuer.issue("alice", key="rsa").pem()


def _other_root() -> Iterator[bytes]:
    """Give the certificate of another CA each time."""
    while True:
        yield Authority.create("Root").pem


@contextlib.contextmanager
def prepared() -> Iterator[Scene]:
    """Have everything made ready, and every case run as its name says, for as long as this lasts.

    This process gets a keyring session of its own (and keeps it: there is no way back), so that
    what is remembered meanwhile is in nobody else's.
    """
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mr-bench-")))
        scene = Scene(root, installation.install(root / "installed"))
        try:
            scene.keyring = stack.enter_context(secret_service.running())
        except AssertionError as error:
            scene.notes.append(f"without a Secret Service: {error}")
        _bare(scene)
        _unencrypted(scene)
        _large(scene)
        if scene.keyring is not None:
            _encrypted(scene, scene.keyring)
        stack.callback(os.chdir, Path.cwd())
        yield scene


_PASS = ("-I", "-c", "pass")


def _bare(scene: Scene) -> None:
    """Add the tools by themselves, and what uses no network behind mtls-run."""
    sandbox = scene.sandbox("bare")
    _profiled(sandbox, encrypted=False)
    scene.add("python", "bare `python -I -c pass`", [scene.installation.python, *_PASS], sandbox)
    scene.add("uv", "`uv tool list --outdated`", QUIET, sandbox)
    scene.add("uv-version", "`uv --version`", ["uv", "--version"], sandbox)
    scene.add("pip", "a `pip` that does nothing (`/bin/true`)", ["pip", "list"], sandbox)
    version, listing = ["uv", "--version"], ["pip", "list"]
    scene.ours("uses-no-network", "no network: `uv --version`", version, sandbox, over="uv-version")
    scene.ours("pip-list", "no network: `pip list`", listing, sandbox, over="pip")
    scene.versions["uv"] = toolbox.UV_NEWEST
    if shutil.which("direnv", path=SYSTEM_PATH) is None:
        scene.notes.append("direnv is not installed")
        return
    sandbox.write(".envrc", ENVRC)
    folder = str(sandbox.home)
    _checked(["direnv", "allow", folder], sandbox)
    scene.add("direnv", "`direnv exec`", ["direnv", "exec", folder, *QUIET], sandbox, over="uv")
    scene.versions["direnv"] = _checked(["direnv", "--version"], sandbox).strip()


def _unencrypted(scene: Scene) -> None:
    kept = scene.sandbox("kept")
    _profiled(kept, encrypted=False)
    scene.ours("kept", "unencrypted PEM, nothing changed", QUIET, kept)
    _settle(scene, "kept")
    for name, shown, path, contents in (
        ("changed-config", "unencrypted PEM, configuration changed", None, None),
        ("changed-identity", "unencrypted PEM, identity changed", "pki/alice.pem", _renewed()),
        ("changed-ca", "unencrypted PEM, CA file changed", "pki/root.pem", _other_root()),
    ):
        sandbox = scene.sandbox(name)
        _profiled(sandbox, encrypted=False)
        changed = sandbox.config_file if path is None else sandbox.home / path
        changes = _Rewritten(changed, contents or _longer(changed))
        scene.ours(name, shown, QUIET, sandbox, changes=changes)
        _settle(scene, name)


def _large(scene: Scene) -> None:
    """Add many profiles and directories, from deep inside one of them."""
    for name, shown in (
        ("large-kept", "large, nothing changed"),
        ("large-changed", "large, configuration changed"),
    ):
        sandbox = scene.sandbox(name)
        lines = []
        for number in range(PROFILES):
            lines += [f"[profiles.p{number}]", 'extends = "corp"', 'passphrase = "prompt"']
        for number in range(DIRECTORIES):
            (sandbox.home / f"work/d{number}").mkdir(parents=True)
            lines += ["[[directories]]", f'path = "~/work/d{number}"', f'profile = "p{number}"']
        _profiled(sandbox, encrypted=False, more="\n".join(lines))
        deep = sandbox.home / f"work/d{DIRECTORIES // 2}"
        deep = deep.joinpath(*["down"] * (DEPTH - len(deep.relative_to(sandbox.home).parts)))
        deep.mkdir(parents=True)
        config = sandbox.config_file
        changes = _Rewritten(config, _longer(config)) if name == "large-changed" else None
        scene.ours(name, shown, QUIET, sandbox, directory=deep, changes=changes)
        _settle(scene, name)


def _encrypted(scene: Scene, keyring: SecretService) -> None:
    """Add an encrypted key whose passphrase is in the Secret Service, and the recipes for it."""
    keyring.store("corp", PASSPHRASE)
    sandbox = scene.sandbox("encrypted")
    _profiled(sandbox, encrypted=True)
    scene.ours("encrypted", "encrypted key, Secret Service", QUIET, sandbox)
    _expect(scene, "encrypted", "the passphrase comes from the keyring")
    for name, shown, lookup in (
        (
            "recipe-keyring",
            "shell: `keyring`, `openssl`, a temporary file",
            f"{scene.installation.bin / 'keyring'} get {secret_service.SERVICE} corp",
        ),
        (
            "recipe-c",
            "shell: `secret-tool`, `openssl`, a temporary file",
            f"secret-tool lookup service {secret_service.SERVICE} username corp",
        ),
    ):
        script = sandbox.write(sandbox.bin / name, RECIPE.format(lookup=lookup), 0o755)
        scene.add(name, shown, [str(script), *QUIET], sandbox, over="uv")
    scene.versions["openssl"] = _checked(["openssl", "version"], sandbox).split()[1]
    remembering = scene.sandbox("remembered")
    _profiled(remembering, encrypted=True, keys='remember = "8h"')
    scene.ours("remembered", "encrypted key, remembered", QUIET, remembering)
    try:
        login_session.join()
    except OSError as error:
        scene.notes.append(f"remember: no new keyring session: {error.strerror}")
    _run(scene, "remembered")
    time.sleep(SETTLED)
    _expect(scene, "remembered", "the identity is remembered")
    _settle(scene, "remembered")


def _profiled(sandbox: Sandbox, *, encrypted: bool, keys: str = "", more: str = "") -> None:
    """Write the README's profile: an identity, and the company's CA on top of the system's."""
    root = Authority.create("Root")
    alice = root.intermediate("Issuer").issue("alice", key="rsa")
    sandbox.write("pki/root.pem", root.pem)
    sandbox.write("pki/alice.crt", alice.cert_pem + alice.chain_pem)
    sandbox.write("pki/bundle.pem", root.pem)
    sandbox.write("pki/alice.pem", alice.pem())
    identity = 'client-cert = "~/pki/alice.pem"'
    if encrypted:
        identity = 'client-cert = "~/pki/alice.crt"\nclient-key = "~/pki/alice.key"'
        plain = sandbox.write("pki/plain.key", alice.key_pem())
        # Made as people make them.
        command = ["openssl", "pkcs8", "-topk8", "-in", str(plain), "-passout", "stdin"]
        locked = _checked(command, sandbox, text=PASSPHRASE + "\n")
        plain.unlink()
        sandbox.write("pki/alice.key", locked)
    sandbox.write_config(
        f'default-profile = "corp"\n[profiles.corp]\n{identity}\n'
        f'ca-cert = "~/pki/root.pem"\n{keys}\n{more}\n'
    )


def _settle(scene: Scene, name: str) -> None:
    """Run a case until it can do no more than it has to; note where it does more."""
    time.sleep(SETTLED)
    for _ in range(2):
        _run(scene, name)
    case = scene.cases[name]
    if probes.resolves(scene.installation, case) != (case.prepare is not None):
        does = "resolves nothing" if case.prepare else "resolves everything on each run"
        scene.notes.append(f"{name}: {does}")


def _expect(scene: Scene, name: str, said: str) -> None:
    """Note where a case, asked to tell what it does, does not say this."""
    case = scene.cases[name]
    command = [case.command[0], "-v", *case.command[1:]]
    done = subprocess.run(
        command, env=case.env, cwd=case.directory, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or said not in done.stderr:
        scene.notes.append(f"{name}: it does not say “{said}”, but: {done.stderr.strip()}")


def _run(scene: Scene, name: str) -> None:
    case = scene.cases[name]
    if case.prepare is not None:
        case.prepare()
    subprocess.run(
        case.command,
        env=case.env,
        cwd=case.directory,
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def _program(name: str, sandbox: Sandbox) -> str:
    found = shutil.which(name, path=sandbox.env["PATH"])
    if found is None:
        raise RuntimeError(f"{name} is missing")
    return found


def _checked(command: Sequence[str], sandbox: Sandbox, text: str | None = None) -> str:
    env: Mapping[str, str] = sandbox.env
    done = subprocess.run(
        command, input=text, env=env, cwd=sandbox.home, capture_output=True, text=True, check=True
    )
    return done.stdout
