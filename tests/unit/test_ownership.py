"""Whose files count, and who else may write them."""

from __future__ import annotations

import grp
import os
import pwd
import stat

import pytest

from mtls_run.system import ownership
from tests.strangers import STRANGER, new_user

ME = os.geteuid()


def status(mode: int, uid: int = ME, gid: int = 0) -> os.stat_result:
    """Return the status of a regular file with these owners."""
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


ROOT = pwd.getpwuid(0)


@pytest.mark.parametrize(
    ("uid", "accepted"), [(0, True), (ME, True), (STRANGER, False), (4_000_000_000, False)]
)
@pytest.mark.parametrize("mode", [0o444, 0o644, 0o600, 0o000])
def test_owners(uid: int, mode: int, accepted: bool) -> None:
    """The user's own files count and root's, which may be read-only secrets; nobody else's."""
    assert ownership.is_accepted(status(mode, uid), {}) is accepted


def test_sudo_is_believed_by_root_alone() -> None:
    """SUDO_UID adds an owner for root; an ordinary user could set it to anybody."""
    environ = {"SUDO_UID": str(STRANGER)}
    assert ownership.is_accepted(status(0o644, STRANGER), environ) is (ME == 0)
    assert ownership.accepted_owners(environ) == {0, ME} | ({STRANGER} if ME == 0 else set())


@pytest.mark.parametrize(
    "value", ["", " ", "-1", "+5", "0x10", "nobody", "65534 ", "٣", "²", "1e3", "65534,1000"]
)
def test_sudo_that_is_no_number(value: str) -> None:
    """What is no plain number in SUDO_UID adds nobody, and is no failure."""
    assert ownership.accepted_owners({"SUDO_UID": value}) == {0, ME}


@pytest.mark.parametrize("name", ["SUDO_USER", "SUDO_GID", "UID", "PKEXEC_UID", "LOGNAME"])
def test_no_other_variable(name: str) -> None:
    """No variable but SUDO_UID says whose files count."""
    assert ownership.accepted_owners({name: str(STRANGER)}) == {0, ME}


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o644, 0o755, 0o555])
def test_nobody_else_writes(mode: int) -> None:
    """A mode that lets the owner alone write is fine, whatever the group."""
    for group in grp.getgrall():
        assert ownership.other_writers(status(mode, ME, group.gr_gid)) is None


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777, 0o646])
def test_everybody_writes(mode: int) -> None:
    """A mode that lets everybody write is not, not even with a private group."""
    assert ownership.other_writers(status(mode, 0, ROOT.pw_gid)) == "every user"


def test_private_group() -> None:
    """A new user's own group may write, as umask 002 makes it; the group of another may not."""
    with new_user() as alice, new_user() as bob:
        for user, other in ((alice, bob), (bob, alice)):
            assert ownership.other_writers(status(0o664, user.pw_uid, user.pw_gid)) is None
            assert ownership.other_readers(status(0o640, user.pw_uid, user.pw_gid)) is None
            for gid in (other.pw_gid, 0):
                assert ownership.other_writers(status(0o664, user.pw_uid, gid)) == "its group"
                assert ownership.other_readers(status(0o640, user.pw_uid, gid)) == "its group"


def test_another_user_s_primary_group() -> None:
    """`useradd --gid alice carl`: her group is not private while there is carl."""
    with new_user() as alice:
        found = status(0o664, alice.pw_uid, alice.pw_gid)
        with new_user(group=alice.pw_name):
            assert ownership.other_writers(found) == "its group"
        assert ownership.other_writers(found) is None


def test_shared_group() -> None:
    """A group that has any other name than the owner's is others."""
    for group in grp.getgrall():
        if group.gr_name != ROOT.pw_name:
            assert ownership.other_writers(status(0o664, 0, group.gr_gid)) == "its group"


def test_without_a_name() -> None:
    """A container that runs as a number: group root is its own, a group without a name is not."""
    number = 4_000_000_000
    assert ownership.other_writers(status(0o664, number, 0)) is None
    assert ownership.other_writers(status(0o664, number, number)) == "its group"
    assert ownership.other_writers(status(0o664, ME, number)) == "its group"
    assert ownership.owner_name(status(0o644, number)) == str(number)


def test_owner_name() -> None:
    """An owner with a name is said by it."""
    assert ownership.owner_name(status(0o644, 0)) == pwd.getpwuid(0).pw_name
