"""MTLS_RUN_ACTIVE carries no authority: it is honoured only for what would be made anyway."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.config.origin import Setting
from mtls_run.handoff import nested
from mtls_run.identity import source, validity
from mtls_run.identity.material import parse
from mtls_run.passphrase.sources import FromPrompt
from mtls_run.secret import Secret
from tests.pki import Authority, make_key
from tests.unit.support import SAID, profile

if TYPE_CHECKING:
    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity, KeyMaterial

ISSUER = Authority.create("Root").intermediate("Issuer")
NOW = validity.utc_now()


class Outer:
    """An outer run of mtls-run: its profile, its files, and what it handed on."""

    def __init__(self, folder: Path, *, form: str = "pem") -> None:
        self.folder = folder
        self.alice = ISSUER.issue("alice")
        self.source = folder / "alice"
        self.source.write_bytes(
            self.alice.pem("secret") if form == "pem" else self.alice.p12("secret")
        )
        self.profile: Profile = profile(client_cert=self.source)
        self.material = self.gathered()
        self.identity: Identity = self.material.unlock(Secret(b"secret"), NOW)
        self.path = folder / "handed-on.pem"
        self.path.write_bytes(self.identity.exportable_pem().reveal())
        self.path.chmod(0o400)
        self.value = self.record(self.identity, str(self.path))

    def record(self, checked: Identity, path: str) -> str:
        """Return the variable's value for this identity at this path."""
        digest = self.gathered().digest
        return f"{nested.record(self.profile, digest, checked.fingerprint).text}{path}"

    def gathered(self) -> KeyMaterial:
        """Return what the profile's files hold now."""
        return parse(source.read(self.profile))

    def reused(self, value: str | None = None) -> nested.Inherited | None:
        """Return what a nested run makes of this value, by default of the one that was set."""
        environ = {nested.VARIABLE: self.value if value is None else value}
        return nested.reuse(environ, self.profile, self.gathered(), NOW)

    def with_path(self, path: str | Path) -> str:
        """Return the value with another path."""
        return ":".join([*self.value.split(":")[:3], str(path)])


@pytest.fixture
def outer(tmp_path: Path) -> Outer:
    """Return an outer run over an encrypted PEM."""
    return Outer(tmp_path)


@pytest.mark.parametrize("form", ["pem", "p12"])
def test_reused(tmp_path: Path, form: str) -> None:
    """The same profile over the same files uses again what the outer run handed on."""
    outer = Outer(tmp_path, form=form)
    found = outer.reused()
    assert found is not None
    assert found.path == str(outer.path)
    assert found.identity.leaf == outer.alice.certificate
    assert found.identity.exportable_pem().reveal() == outer.path.read_bytes()


def test_no_secret_in_it(outer: Outer) -> None:
    """The variable holds digests and a path, and nothing of the key."""
    form, meant, fingerprint, path = outer.value.split(":")
    assert (form, path) == ("1", str(outer.path))
    assert len(meant) == len(fingerprint) == 64
    assert "secret" not in f"{form}{meant}{fingerprint}"


def test_path_with_colons(tmp_path: Path) -> None:
    """Colons in the path are the path's."""
    folder = tmp_path / "a:b"
    folder.mkdir()
    assert Outer(folder).reused() is not None


def test_another_profile(outer: Outer) -> None:
    """Whatever another profile says otherwise, the identity is not for it."""
    environ = {nested.VARIABLE: outer.value}
    other = outer.folder / "other.pem"
    other.write_bytes(outer.source.read_bytes())
    mine = outer.profile
    for another in (
        replace(mine, name="other"),
        replace(mine, name=None),
        replace(mine, client_cert=Setting(other, SAID)),
        replace(mine, client_key=Setting(outer.source, SAID)),
        replace(mine, ca_cert=Setting((other,), SAID)),
        replace(mine, roots=Setting("none", SAID)),
        replace(mine, passphrase=Setting(FromPrompt(), SAID)),
    ):
        assert nested.reuse(environ, another, outer.material, NOW) is None
    assert nested.reuse(environ, mine, outer.material, NOW) is not None


def test_files_that_changed(outer: Outer) -> None:
    """Certificate files with other bytes, be it one, are another identity's."""
    outer.source.write_bytes(outer.alice.pem("secret") + b"\n")
    assert outer.reused() is None


@pytest.mark.parametrize(
    "value",
    ["", "1", "1:2:3", ":::", "1:::/etc/passwd", "0", "\udcff:\udcff:\udcff:/x", "1:2:3:/nowhere"],
)
def test_nonsense(outer: Outer, value: str) -> None:
    """What is no record is none."""
    assert outer.reused(value) is None


def test_forged_fields(outer: Outer) -> None:
    """Every field counts."""
    fields = outer.value.split(":")
    for index, wrong in enumerate(["2", "0" * 64, "0" * 64, "/nowhere/at/all"]):
        forged = [*fields]
        forged[index] = wrong
        assert outer.reused(":".join(forged)) is None


def test_path_is_absolute(outer: Outer) -> None:
    """A path that is not absolute would mean another file elsewhere."""
    before = Path.cwd()
    os.chdir(outer.folder)
    try:
        assert outer.reused(outer.with_path("handed-on.pem")) is None
        assert outer.reused(outer.with_path("./handed-on.pem")) is None
        assert outer.reused(outer.with_path("")) is None
    finally:
        os.chdir(before)


def test_what_is_no_file(outer: Outer) -> None:
    """A directory, a FIFO, a huge or an empty file is none, and nothing hangs."""
    os.mkfifo(outer.folder / "fifo")
    (outer.folder / "empty").write_bytes(b"")
    (outer.folder / "huge").write_bytes(outer.path.read_bytes() + b"\n" * 2_000_000)
    for name in ("fifo", "empty", "huge", "."):
        assert outer.reused(outer.with_path(outer.folder / name)) is None
    assert outer.reused(outer.with_path("/dev/zero")) is None


def test_file_of_another_user(outer: Outer) -> None:
    """A file that is not this user's is not used, be it the very same."""
    if os.geteuid() == 0:
        os.chown(outer.path, 12345, -1)
        assert outer.reused() is None
        os.chown(outer.path, 0, -1)
        assert outer.reused() is not None
    else:
        assert outer.reused(outer.with_path("/etc/passwd")) is None


def replaced(outer: Outer, content: bytes) -> nested.Inherited | None:
    """Return what a nested run makes of other content at the recorded path."""
    outer.path.chmod(0o600)
    outer.path.write_bytes(content)
    return outer.reused()


def test_other_identity_in_its_place(outer: Outer) -> None:
    """The file has to hold the recorded certificate with its key, in order."""
    bob = ISSUER.issue("bob")
    renewed = ISSUER.issue("alice", key=outer.alice.key)
    for content in (
        bob.pem(),
        renewed.pem(),
        outer.alice.cert_pem + outer.alice.chain_pem,
        outer.alice.cert_pem + outer.alice.chain_pem + bob.key_pem(),
        outer.alice.pem("secret"),
        outer.alice.pem(order="niahc-leaf-key") if len(outer.alice.chain) > 1 else bob.pem(),
        outer.alice.chain_pem + outer.alice.cert_pem + outer.alice.key_pem(),
        outer.alice.p12(None),
        b"",
        b"garbage",
    ):
        assert replaced(outer, content) is None
    assert replaced(outer, outer.alice.pem()) is not None


def test_expired_meanwhile(outer: Outer) -> None:
    """What has expired since is checked again."""
    later = outer.alice.certificate.not_valid_after_utc + timedelta(seconds=1)
    environ = {nested.VARIABLE: outer.value}
    assert nested.reuse(environ, outer.profile, outer.material, later) is None


@pytest.mark.parametrize("own_key", [True, False])
def test_record_of_an_identity_that_the_profile_has_not(outer: Outer, own_key: bool) -> None:
    """Who can write the variable, and knows the profile, cannot bring an identity of his own."""
    key = outer.alice.key if own_key else make_key("ec")
    mallory = Authority.create("Mallory").issue("alice", key=key)
    path = outer.folder / "mallory.pem"
    path.write_bytes(mallory.pem())
    brought = parse([(path, mallory.pem())]).unlock(None, NOW)
    forged = outer.record(brought, str(path))
    assert outer.reused(forged) is None
