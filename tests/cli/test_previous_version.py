"""What 0.1.0 left in a home directory is read, or dropped without a word."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tests.cli.support import ready

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

PROJECT = 'roots = "public"\n'


def test_an_approval_counts(sandbox: Sandbox) -> None:
    """A project file that 0.1.0 allowed needs no new `allow`, as long as it has not changed."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    path = sandbox.write("project/.mtls-run.toml", PROJECT)
    approval = {
        "path": str(path),
        "denied": False,
        "says": hashlib.sha256(PROJECT.encode()).hexdigest(),
        "files": {},
    }
    name = hashlib.sha256(str(path).encode()).hexdigest()
    folder = sandbox.root / "state/mtls-run/approvals"
    folder.mkdir(parents=True, mode=0o700)
    folder.joinpath(f"{name}.json").write_text(json.dumps(approval, indent=1))
    done = sandbox.run("uv", "sync", cwd=path.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 1
    path.write_text(PROJECT + "\n")
    assert sandbox.run("uv", "sync", cwd=path.parent).returncode == 125


def test_results_are_dropped(sandbox: Sandbox) -> None:
    """A cached result of 0.1.0 is not used, and no message tells of it."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    assert sandbox.run("uv", "sync").returncode == 0
    given = tool.seen().get("SSL_CERT_FILE")
    folder = sandbox.root / "cache/mtls-run/results"
    old = [path for path in folder.iterdir() if path.name.startswith(("bundle-", "identity-"))]
    assert old
    for path in old:
        content = path.read_bytes()
        path.write_bytes(b"0.1.0\0" + b"\0".join(b"0" for _ in content.split(b"\0")[1:]))
    done = sandbox.run("uv", "sync")
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().get("SSL_CERT_FILE") == given
    assert not any(path.read_bytes().startswith(b"0.1.0\0") for path in old)
