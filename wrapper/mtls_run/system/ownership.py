"""Who may own and who may write a file that says what mtls-run does."""

from __future__ import annotations

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def accepted_owners(environ: Mapping[str, str]) -> frozenset[int]:
    """Return the user ids whose files count: the user, root, and under sudo who called it."""
    if os.name != "posix":
        return frozenset()
    user = os.geteuid()
    caller = environ.get("SUDO_UID", "")
    # Only root is told by SUDO_UID: anybody else could set it to whom they like.
    called = {int(caller)} if user == 0 and caller.isascii() and caller.isdigit() else set()
    return frozenset({0, user, *called})


def is_accepted(found: os.stat_result, environ: Mapping[str, str]) -> bool:
    """Tell whether the file's owner is one of the accepted."""
    return os.name != "posix" or found.st_uid in accepted_owners(environ)


def other_writers(found: os.stat_result) -> str | None:
    """Return who else may write the file, in words, or None.

    A group of the owner alone, as most systems make one for each user, is nobody else.
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
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        return pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        return str(found.st_uid)


def _is_private_group(found: os.stat_result) -> bool:
    import grp  # noqa: PLC0415 - not on Windows
    import pwd  # noqa: PLC0415

    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        # A container that runs as a number without a name; root's group is root's there too.
        return found.st_gid == 0
    return (
        owner.pw_gid == found.st_gid
        and group.gr_name == owner.pw_name
        and set(group.gr_mem) <= {owner.pw_name}
    )
