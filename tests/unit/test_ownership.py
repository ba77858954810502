"""Whose files count, and who else may write them."""

from __future__ import annotations

import grp
import os
import pwd
import stat

import pytest

from mtls_run.system import ownership
from tests.strangers import STRANGER

ME = os.geteuid()


def status(mode: int, uid: int = ME, gid: int = 0) -> os.stat_result:
    """Return the status of a regular file with these owners."""
    return os.stat_result((stat.S_IFREG | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


def private_group(user: pwd.struct_passwd) -> bool:
    """Return whether the user's first group has the user's name and nobody else in it."""
    try:
        group = grp.getgrgid(user.pw_gid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}


PEOPLE = [user for user in pwd.getpwall() if private_group(user)]
SHARED = [group for group in grp.getgrall() if group.gr_name not in {u.pw_name for u in PEOPLE}]


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
    for gid in (0, STRANGER, *(group.gr_gid for group in SHARED)):
        assert ownership.other_writers(status(mode, ME, gid)) is None


@pytest.mark.parametrize("mode", [0o666, 0o602, 0o777, 0o646])
def test_everybody_writes(mode: int) -> None:
    """A mode that lets everybody write is not, not even with a private group."""
    for user in PEOPLE:
        found = status(mode, user.pw_uid, user.pw_gid)
        assert ownership.other_writers(found) == "every user"


@pytest.mark.parametrize("user", PEOPLE, ids=lambda user: str(user.pw_name))
def test_private_group(user: pwd.struct_passwd) -> None:
    """A user's own group may write, as umask 002 makes it; root's included."""
    assert ownership.other_writers(status(0o664, user.pw_uid, user.pw_gid)) is None


@pytest.mark.parametrize("group", SHARED, ids=lambda group: str(group.gr_name))
def test_shared_group(group: grp.struct_group) -> None:
    """A group that has any other name than the owner's is others."""
    for user in (pwd.getpwuid(0), PEOPLE[-1]):
        found = status(0o664, user.pw_uid, group.gr_gid)
        assert ownership.other_writers(found) == "its group"


def test_the_group_of_another() -> None:
    """The private group of another user is no private group of the owner."""
    root = pwd.getpwuid(0)
    others = [user for user in PEOPLE if user.pw_uid != 0]
    for other in others:
        assert ownership.other_writers(status(0o664, 0, other.pw_gid)) == "its group"
        assert ownership.other_writers(status(0o664, other.pw_uid, root.pw_gid)) == "its group"


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
