"""Every variable that a resolution reads belongs to what a cached launch rests on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from mtls_run import cli
from mtls_run.cache.dependencies import VARIABLES
from mtls_run.config import pip_settings, project, project_trust
from mtls_run.resolve import Context, resolve
from mtls_run.tools import registry
from mtls_run.tools.base import PipScope, Target
from tests.pki import Authority
from tests.unit.support import Heard, working_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.sandbox import Sandbox

READ = registry.variables_read()
DECLARED = {*VARIABLES, *READ.names}
ROOT = Authority.create("Root")
ALICE = ROOT.issue("alice")
HOME_CONFIG = """
default-profile = "corp"
[profiles.corp]
client-cert = "~/alice.pem"
ca-cert = "~/root.pem"
roots = "none"
[profiles.system]
[profiles.public]
roots = "public"
[profiles.environment]
roots = "environment"
[profiles.locked]
client-cert = "~/locked.pem"
passphrase = { env = "CORP_PASSPHRASE" }
remember = "8h"
[[directories]]
path = "~/system"
profile = "system"
"""


class Recorder(dict[str, str]):
    """An environment that records the names which are asked for, one by one."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: object = None) -> object:  # type: ignore[override]
        """Return the variable's value."""
        self.asked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)


def scene(home: Path) -> None:
    """Write a configuration, identities, a CA, and project files."""
    files: dict[str, str | bytes] = {
        "alice.pem": ALICE.pem(),
        "locked.pem": ALICE.pem("secret"),
        "root.pem": ROOT.pem,
        "config.toml": HOME_CONFIG,
        "empty.toml": "",
        "system/x": "",
        "uv.toml": "",
        "pip.conf": f"[global]\ncert = {home}/root.pem\nindex-url = https://pypi.corp.example/\n",
        "names/.mtls-run.toml": 'profile = "corp"\n',
        "own/pyproject.toml": '[tool.mtls-run]\nroots = "none"\nca-cert = "ca.pem"\n',
        "own/ca.pem": ROOT.pem,
    }
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    found = project.find(home / "own", os.environ, Heard())
    assert found is not None
    project_trust.allow(found)


SCENARIOS: dict[str, tuple[str, str, dict[str, str]]] = {
    "default profile": ("pip install x", ".", {}),
    "no configuration named": ("pip install x", ".", {"MTLS_RUN_CONFIG": ""}),
    "MTLS_RUN_PROFILE": ("uv sync", ".", {"MTLS_RUN_PROFILE": "system"}),
    "directories": ("uv pip install x", "system", {}),
    "project file that names a profile": ("pip install x", "names", {}),
    "project file with its own": ("-- make all", "own", {}),
    "public roots": ("-p public uv sync", ".", {}),
    "roots of a file": ("-p environment uv sync", ".", {"SSL_CERT_FILE": "{home}/root.pem"}),
    "roots of a directory": ("-p environment pip install x", ".", {"SSL_CERT_DIR": "{home}"}),
    "locked": ("-p locked uv sync", ".", {"CORP_PASSPHRASE": "secret"}),
    "nested": ("-p locked uv sync", ".", {"MTLS_RUN_ACTIVE": "1:a:b:/nowhere"}),
    "module": ("{python} -m pip install x", ".", {"PYTHONPATH": "{home}/own"}),
    "the user's own": ("pip install --cert x --client-cert y z", ".", {}),
    "pip's settings": ("pip install x", ".", {"PIP_CONFIG_FILE": "{home}/pip.conf", "CONFIG": ""}),
    "pip's settings for uv": (
        "uv pip install x",
        ".",
        {"PIP_CONFIG_FILE": "{home}/pip.conf", "CONFIG": "", "UV_INDEX_STRATEGY": "first-index"},
    ),
    "pip's variables": ("pip install x", ".", {"PIP_CERT": "{home}/root.pem", "CONFIG": ""}),
    "uv is set up": (
        "uv sync",
        ".",
        {"PIP_CERT": "{home}/root.pem", "SSL_CERT_FILE": "/x", "CONFIG": ""},
    ),
    "none": ("pip install x", ".", {"CONFIG": ""}),
    "sudo": ("pip install x", "names", {"SUDO_UID": "12345"}),
    "handoff": ("pip install x", ".", {"MTLS_RUN_HANDOFF": "supervise"}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_variables_read(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each name that is asked for is declared, whichever way the resolution goes."""
    home = tmp_path / "home"
    scene(home)
    line, folder, variables = SCENARIOS[name]
    values = {
        **os.environ,
        "MTLS_RUN_CONFIG": str(home / "config.toml"),
        "PIP_CONFIG_FILE": os.devnull,
        **{key: value.format(home=home) for key, value in variables.items()},
    }
    if values.pop("CONFIG", None) is not None:
        values["MTLS_RUN_CONFIG"] = str(home / "empty.toml")
    called = cli.parse([word.format(python=sys.executable) for word in line.split()])
    tool, call = registry.recognise(called.words, any_program=called.after_dashes)
    path = sys.executable
    if len(call.prefix) == 1:
        path = str(sandbox.fake_tool(call.prefix[0]).path)
    environ = Recorder(values)
    # Some of it is asked by os.path and by platformdirs' rules, which read the process's own.
    monkeypatch.setattr(os, "environ", environ)
    context = Context(called.options, Target(tool, call, path), environ, home / folder, Heard())
    with working_in(home / folder):
        resolved, _ = resolve(context)
        if resolved is not None:
            resolved.launch(resolved.expected_tls_files(), "fingerprint")
    monkeypatch.undo()
    undeclared = {
        asked
        for asked in environ.asked
        if asked not in DECLARED and not asked.startswith(READ.prefixes)
    }
    assert undeclared == set()
    assert "MTLS_RUN_CONFIG" in environ.asked


def test_variables_read_on_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pip's own files are elsewhere there, by variables of their own."""
    environ = Recorder({"HOME": str(tmp_path), "XDG_DATA_DIRS": str(tmp_path)})
    monkeypatch.setattr(sys, "platform", "darwin")
    pip_settings.read(environ, PipScope(command="install"))
    monkeypatch.undo()
    assert "XDG_DATA_DIRS" in environ.asked
    assert {name for name in environ.asked if not name.startswith("PIP_")} <= DECLARED
