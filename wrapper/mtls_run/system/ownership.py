"""Who may own and who may write a file that mtls-run takes settings from."""

from __future__ import annotations

import os
import stat

if os.name == "posix":
    import grp
    import pwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def accepted_owners(environ: Mapping[str, str]) -> frozenset[int]:
    """Return the user ids whose files count: the user, root, and under sudo the caller of sudo."""
    if os.name != "posix":
        return frozenset()
    user = os.geteuid()
    caller = environ.get("SUDO_UID", "")
    # sudo sets SUDO_UID for root. Anybody else could set it to any number.
    callers = {int(caller)} if user == 0 and caller.isascii() and caller.isdigit() else set()
    return frozenset({0, user, *callers})


def is_accepted(found: os.stat_result, environ: Mapping[str, str]) -> bool:
    """Tell whether the file's owner is one of the accepted."""
    return os.name != "posix" or found.st_uid in accepted_owners(environ)


def other_writers(found: os.stat_result) -> str | None:
    """Return who else may write the file, in words, or None.

    A group that has the owner as its only member, as most systems make for each user, does not
    count.
    """
    if os.name != "posix":
        return None
    return _others(found, stat.S_IWOTH, stat.S_IWGRP)


def other_readers(found: os.stat_result) -> str | None:
    """Return who else may read the file, in words, or None; as for `other_writers`."""
    if os.name != "posix":
        return None
    return _others(found, stat.S_IROTH, stat.S_IRGRP)


def _others(found: os.stat_result, everybody: int, group: int) -> str | None:
    if found.st_mode & everybody:
        return "every user"
    if found.st_mode & group and not _is_private_group(found):
        return "its group"
    return None


def owner_name(found: os.stat_result) -> str:
    """Return the owner's name, or the number where it has none."""
    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)


def _is_private_group(found: os.stat_result) -> bool:
    """Tell whether the owner is the group's only member, as far as the user database says."""
    gid = found.st_gid
    try:
        owner, name = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(gid).gr_name
    except KeyError:
        # A container that runs as a number without a name; root's group is root's there too.
        return gid == 0
    # A group lists its further members only. Those whose primary group it is are in the other list.
    listed = {each for group in grp.getgrall() if group.gr_gid == gid for each in group.gr_mem}
    primary = {user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid}
    return name == owner and listed <= {owner} and primary == {found.st_uid}
