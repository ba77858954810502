"""Certificates that are being renewed, and clocks that are wrong."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Callable

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.mishaps.scene import VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.mishaps.scene import Scene
    from tests.pki import Issued

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.mishap]

DAY = 86400


def renewed(scene: Scene, *, starts: float = -1, days: float = 365) -> Issued:
    """Return the identity that comes next: another key, another certificate."""
    return scene.bench.server.issuer.issue("alice", starts=starts, days=days)


def apart(scene: Scene, identity: Issued | None = None) -> tuple[Path, Path]:
    """Have certificate and key in files of their own, and return them."""
    identity = identity or scene.bench.alice
    write = scene.bench.sandbox.write
    cert = write("pki/alice.crt", identity.cert_pem + identity.chain_pem)
    key = write("pki/alice.key", identity.key_pem(scene.canary.text))
    scene.bench.profile(
        f'client-cert = "~/pki/alice.crt"\nclient-key = "~/pki/alice.key"\n{VARIABLE}'
    )
    return cert, key


@pytest.mark.parametrize("first", ["certificate", "key"])
def test_two_generations(scene: Scene, first: str) -> None:
    """Where one of the two files is new already the key does not fit, and nobody is called."""
    cert, key = apart(scene)
    following = renewed(scene)
    if first == "certificate":
        cert.write_bytes(following.cert_pem + following.chain_pem)
    else:
        key.write_bytes(following.key_pem(scene.canary.text))
    scene.assert_failed(scene.run(), "does not belong")
    apart(scene, following)
    scene.assert_recovers()


@pytest.mark.parametrize("first", ["certificate", "key"])
def test_two_generations_of_open_files(scene: Scene, first: str) -> None:
    """The same where nothing is locked, and where the last launch was cached."""
    scene.open()
    cert, key = apart(scene)
    key.write_bytes(scene.bench.alice.key_pem())
    scene.allowed = [scene.key, key]
    scene.bench.profile('client-cert = "~/pki/alice.crt"\nclient-key = "~/pki/alice.key"')
    scene.assert_worked(scene.run())
    following = renewed(scene)
    if first == "certificate":
        cert.write_bytes(following.cert_pem + following.chain_pem)
    else:
        key.write_bytes(following.key_pem())
    forget(scene)
    scene.assert_failed(scene.run(), "does not belong")
    cert.write_bytes(following.cert_pem + following.chain_pem)
    key.write_bytes(following.key_pem())
    scene.assert_recovers()


def forget(scene: Scene) -> None:
    """Take away what was installed and asked for."""
    shutil.rmtree(scene.bench.target, ignore_errors=True)
    scene.bench.server.forget()


TORN: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "a-quarter": lambda whole: whole[: len(whole) // 4],
    "half": lambda whole: whole[: len(whole) // 2],
    "all-but-a-line": lambda whole: whole[:-40],
    "zeros-at-the-end": lambda whole: whole[: len(whole) // 2] + bytes(len(whole) // 2),
    "only-zeros": lambda whole: bytes(len(whole)),
    "twice": lambda whole: whole + whole[: len(whole) // 2],
}


@pytest.mark.parametrize("name", TORN)
def test_half_written(scene: Scene, name: str) -> None:
    """A file that was not written whole is an error that names it."""
    whole = scene.key.read_bytes()
    scene.key.write_bytes(TORN[name](whole))
    scene.assert_failed(scene.run(), str(scene.key))
    scene.key.write_bytes(whole)
    scene.assert_recovers()


@pytest.mark.parametrize("how", ["rename", "in-place", "same-size-and-times"])
@pytest.mark.parametrize("state", ["locked", "open"])
def test_replaced_between_two_runs(scene: Scene, how: str, state: str) -> None:
    """The run after a renewal uses the new identity, cached launch or not."""
    if state == "open":
        scene.open()
    scene.assert_recovers()
    scene.assert_recovers()
    following = scene.bench.server.issuer.issue("bobby")
    content = following.pem(scene.canary.text if state == "locked" else None)
    before = scene.key.stat()
    if how == "rename":
        other = scene.bench.sandbox.write("pki/.new", content)
        other.rename(scene.key)
    else:
        scene.key.write_bytes(content)
        if how == "same-size-and-times":
            with scene.key.open("ab") as file:
                file.write(b"\n" * max(0, before.st_size - len(content)))
            os.utime(scene.key, ns=(before.st_atime_ns, before.st_mtime_ns))
    forget(scene)
    done = scene.run()
    scene.bench.assert_installed(done, WHEELS, subject="CN=bobby")
    scene.assert_clean(done)


@pytest.mark.parametrize("state", ["locked", "open"])
def test_swapped_folder(scene: Scene, state: str) -> None:
    """A folder that is swapped by a link, as Kubernetes does: an error while it dangles."""
    if state == "open":
        scene.open()
    folder = scene.key.parent
    for name, identity in (("..1", scene.bench.alice), ("..2", renewed(scene))):
        content = identity.pem(scene.canary.text if state == "locked" else None)
        path = scene.bench.sandbox.write(f"pki/{name}/alice.pem", content)
        if state == "open":
            scene.allowed.append(path)
    data = folder / "..data"
    data.symlink_to("..1")
    scene.key.unlink()
    scene.key.symlink_to("..data/alice.pem")
    scene.assert_recovers()
    forget(scene)
    data.unlink()
    data.symlink_to("..3")
    scene.assert_failed(scene.run(), str(scene.key), "No such file")
    (folder / "..new").symlink_to("..2")
    (folder / "..new").rename(data)
    scene.assert_recovers()


def test_replaced_while_it_is_read(scene: Scene) -> None:
    """What was read is what is checked and handed on, though the file is another by then."""
    other = scene.root.with_name("other.pem")
    other.write_bytes(scene.bench.server.issuer.issue("bobby").pem(scene.canary.text))
    done = scene.run_at("before:mtls_run.unlock:unlock", f"replace:{other}:{scene.key}")
    scene.assert_worked(done)
    forget(scene)
    scene.bench.assert_installed(scene.run(), WHEELS, subject="CN=bobby")


@pytest.mark.parametrize("state", ["locked", "open"])
@pytest.mark.parametrize(
    ("starts", "days", "fact"),
    [(1, 10, "is valid only from"), (-10, -1, "expired on")],
    ids=["tomorrow", "yesterday"],
)
def test_out_of_its_time(scene: Scene, state: str, starts: float, days: float, fact: str) -> None:
    """A certificate that begins tomorrow, or ended yesterday, is refused with the time."""
    if state == "open":
        scene.open()
    early = renewed(scene, starts=starts, days=days)
    whole = scene.key.read_bytes()
    scene.key.write_bytes(early.pem(scene.canary.text if state == "locked" else None))
    scene.assert_failed(scene.run(), fact)
    scene.key.write_bytes(whole)
    scene.assert_recovers()


CLOCKS = [(-2 * DAY, "is valid only from"), (366 * DAY, "expired on")]


@pytest.mark.parametrize(("by", "fact"), CLOCKS, ids=["behind", "ahead"])
@pytest.mark.parametrize("state", ["locked", "open"])
def test_wrong_clock(scene: Scene, state: str, by: int, fact: str) -> None:
    """With a clock that is off the error says what the clock says, or when it ended."""
    if state == "open":
        scene.open()
    scene.assert_failed(scene.run_at("never", f"shift:{by}"), fact)
    scene.assert_recovers()


@pytest.mark.parametrize(("by", "fact"), CLOCKS, ids=["behind", "ahead"])
def test_wrong_clock_and_a_cached_launch(scene: Scene, by: int, fact: str) -> None:
    """A cached launch is used only while the certificate is valid."""
    scene.open()
    scene.assert_recovers()
    assert list((scene.cache / "launches").iterdir()) != []
    forget(scene)
    scene.assert_failed(scene.run_at("never", f"shift:{by}"), fact)
    scene.assert_recovers()


def test_clock_set_forward_and_back(scene: Scene) -> None:
    """A launch that was cached while the clock was ahead is not used once it is right again."""
    scene.open()
    done = scene.run_at("never", f"shift:{100 * DAY}")
    scene.assert_worked(done)
    scene.assert_recovers()
    scene.assert_recovers()
