"""A signal at every step of the way: nothing unlocked stays, and the next run works."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import INTERRUPTED
from tests.e2e.mishaps.scene import FILE, MEMORY
from tests.sandbox import assert_absent
from tests.tiers import rotated

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.mishaps.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.mishap]

# On the way to the tool, which this process becomes.
ON_THE_WAY = {
    "start": "before:mtls_run.cli:parse",
    "tool-found": "after:mtls_run.tools.which:find",
    "cache-searched": "before:mtls_run.cache.launches:find",
    "configuration-read": "after:mtls_run.config.layers:user_file",
    "identity-read": "after:mtls_run.identity.source:read",
    "version-asked": "event:subprocess.Popen:--version",
    "version-cached": "event:os.rename:/results/",
    "resolved": "before:mtls_run.system.dirs:has_leftovers",
    "unlocking": "before:mtls_run.unlock:unlock",
    "passphrase-had": "after:mtls_run.passphrase.fetch:from_variable",
    "key-open": "after:mtls_run.identity.material:KeyMaterial.unlock",
    "unlocked": "after:mtls_run.unlock:unlock",
    "bundle-begun": "before:mtls_run.roots.bundle:write_atomically",
    "bundle-half": "half:/bundles/",
    "bundle-written": "event:os.rename:/bundles/",
    "bundle-cached": "after:mtls_run.roots.bundle:deliver",
}
IN_MEMORY = {
    "memory-made": "after:mtls_run.system.anonymous_file:_create",
    "memory-sealed": "before:mtls_run.system.anonymous_file:_raised",
    "memory-raised": "after:mtls_run.system.anonymous_file:_raised",
    "memory-held": "after:mtls_run.system.anonymous_file:hold",
    "planned": "before:mtls_run.launch:become",
    "becoming": "event:os.exec:",
}
# While there is a private file; what SIGKILL leaves there is the next run's to sweep.
IN_A_FILE = {
    "blocked": "after:mtls_run.handoff.supervise:Block",
    "gate-made": "event:os.mkdir:",
    "file-locked": "after:mtls_run.handoff.private_file:_create_in",
    "file-opened": "event:open:identity.pem",
    "file-half": "half:identity.pem",
    "file-made": "after:mtls_run.handoff.private_file:create",
    "starting": "before:mtls_run.handoff.supervise:run",
    "spawning": "event:os.posix_spawn:",
    "started": "after:os:posix_spawn",
    "tool-ended": "after:os:waitpid",
    "removing": "before:mtls_run.handoff.private_file:PrivateFile.remove",
    "file-removed": "event:os.rmdir:",
    "removed": "after:mtls_run.handoff.private_file:PrivateFile.remove",
    "released": "after:mtls_run.handoff.supervise:Block.release",
    "ending": "before:mtls_run.handoff.supervise:end_as",
}
# Where nothing has to be unlocked, the launch is cached for the next run.
CACHED = {
    "result-half": "half:/results/",
    "storing": "before:mtls_run.cache.launches:store",
    "launch-half": "half:/launches/",
    "launch-written": "event:os.rename:/launches/",
    "stored": "after:mtls_run.cache.launches:store",
    "cached-becoming": "event:os.exec:",
}
ENDED = {"SIGTERM": -signal.SIGTERM, "SIGHUP": -signal.SIGHUP, "SIGINT": INTERRUPTED}


def ids(points: dict[str, str]) -> list[object]:
    """Return the points as parameters under their names."""
    return [pytest.param(point, id=name) for name, point in points.items()]


@pytest.mark.parametrize("point", ids({**ON_THE_WAY, **IN_MEMORY}))
def test_killed_on_the_way(scene: Scene, point: str) -> None:
    """SIGKILL before the tool is there leaves no key anywhere, and nobody was called on."""
    done = scene.run_at(point, "signal:SIGKILL", options=MEMORY)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")
    scene.assert_not_called(done)
    scene.assert_recovers(*MEMORY)


@pytest.mark.parametrize("point", ids(IN_A_FILE))
def test_killed_with_a_file(scene: Scene, point: str) -> None:
    """SIGKILL of a supervisor may leave its private file, no other; the next run sweeps it."""
    done = scene.run_at(point, "signal:SIGKILL", options=FILE)
    assert done.returncode == -signal.SIGKILL, done
    assert "mtls-run:" not in done.stderr
    left = private_files(scene)
    assert_absent([scene.canary.text], below=scene.disks())
    assert_absent(scene.bench.alice.traces, below=scene.disks(), but=left)
    assert all(path.parent.stat().st_mode & 0o077 == 0 for path in left)
    assert {request.subject for request in scene.bench.server.requests()} <= {"CN=alice"}
    scene.assert_recovers()
    assert private_files(scene) == []


def private_files(scene: Scene) -> list[Path]:
    """Return the private files that are there."""
    return list(scene.root.rglob("identity.pem"))


@pytest.mark.parametrize("point", ids(CACHED))
def test_killed_while_caching(scene: Scene, point: str) -> None:
    """SIGKILL while a launch is cached leaves nothing that the next run would use."""
    scene.open()
    done = scene.run_at(point, "signal:SIGKILL")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGKILL, "", "")
    scene.assert_not_called(done)
    scene.assert_recovers()
    scene.assert_recovers()


@pytest.mark.parametrize(
    "point",
    ids(
        {
            "sweeping": "before:mtls_run.handoff.private_file:_remove",
            "swept-half": "event:os.rmdir:",
        }
    ),
)
def test_killed_while_sweeping(scene: Scene, point: str) -> None:
    """SIGKILL of who sweeps what another left: the run after it sweeps the rest."""
    scene.run_at(IN_A_FILE["file-made"], "signal:SIGKILL", options=FILE)
    assert len(private_files(scene)) == 1
    done = scene.run_at(point, "signal:SIGKILL")
    assert done.returncode == -signal.SIGKILL, done
    assert scene.bench.server.requests() == []
    scene.assert_recovers()
    assert private_files(scene) == []


SIGNALLED = ("identity-read", "version-asked", "passphrase-had", "unlocked", "bundle-half")
SIGNALLED_IN_MEMORY = ("memory-made", "memory-held", "becoming")


@pytest.mark.parametrize(("name", "number"), rotated((*SIGNALLED, *SIGNALLED_IN_MEMORY), ENDED))
def test_signalled_on_the_way(scene: Scene, name: str, number: str) -> None:
    """A signal before the tool is there ends the run as it ends any program, without a word."""
    done = scene.run_at({**ON_THE_WAY, **IN_MEMORY}[name], f"signal:{number}", options=MEMORY)
    assert (done.returncode, done.stdout, done.stderr) == (ENDED[number], "", "")
    scene.assert_not_called(done)
    scene.assert_recovers(*MEMORY)


@pytest.mark.parametrize(("name", "number"), rotated(IN_A_FILE, ENDED))
def test_signalled_with_a_file(scene: Scene, name: str, number: str) -> None:
    """A signal to a supervisor never leaves its file; the tool, or it, ends by the signal."""
    done = scene.run_at(IN_A_FILE[name], f"signal:{number}", options=FILE)
    # uv makes 130 of an interrupt by itself; a tool that has ended before has its own status.
    ends = {-getattr(signal, number), ENDED[number]}
    assert done.returncode in ends, done
    assert "mtls-run:" not in done.stderr
    scene.assert_clean(done)
    assert private_files(scene) == []
    scene.assert_recovers()


@pytest.mark.parametrize("number", ENDED)
def test_signalled_while_caching(scene: Scene, number: str) -> None:
    """A signal while a launch is half written leaves no half of it that would be used."""
    scene.open()
    done = scene.run_at(CACHED["launch-half"], f"signal:{number}")
    assert (done.returncode, done.stdout, done.stderr) == (ENDED[number], "", "")
    scene.assert_not_called(done)
    scene.assert_recovers()


def test_the_supervised_tool_is_killed(scene: Scene) -> None:
    """A tool that is killed takes its file with it, and its end is the supervisor's."""
    scene.bench.sandbox.fake_tool("uv")
    words = [scene.program, *FILE, "uv", "pip", "install", "x"]
    env = {**scene.bench.env, "FAKE_SIGNAL": str(int(signal.SIGKILL))}
    done = scene.bench.sandbox.execute(words, env=env)
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    scene.assert_clean(done)
    assert private_files(scene) == []
    (scene.bench.sandbox.bin / "uv").unlink()
    scene.assert_recovers()
