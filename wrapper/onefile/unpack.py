"""Unpack the archive of the one file into the user's cache, once, and start it from there.

This is `__main__.py` of the archive, which has the packages as a second archive, `app.zip`. Any
Python may come here, so this is written for old ones too.
"""

import errno
import io
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
import zipfile

NAME = "@NAME@"
MADE_FOR = "@PYTHON@ on @PLATFORM@"
SUFFIX = "@SUFFIX@"
PREFIX = "app-"


def fail(fact, hint):
    """Print an error as mtls-run does, and end with its status."""
    sys.stderr.write("mtls-run: error: {}\nmtls-run: hint: {}\n".format(fact, hint))
    sys.exit(125)


def places():
    """Yield the directories to try: the cache (as `system/dirs.py` has it), then a temporary one.

    The name of the temporary one is known to everyone, so `is_private` checks whose it is.
    """
    home = os.path.expanduser("~")
    if not os.path.isdir(home) or home == "/":  # none is made, and an empty HOME is no home
        home = ""
    if sys.platform.startswith("linux"):
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else os.path.join(home, ".cache")
        yield os.path.join(base, "mtls-run")
    elif sys.platform == "darwin":
        yield os.path.join(home, "Library", "Caches", "mtls-run")
    elif os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
        yield os.path.join(base, "mtls-run", "Cache")
    user = str(os.geteuid()) if os.name == "posix" else os.environ.get("USERNAME", "")
    yield os.path.join(tempfile.gettempdir(), "mtls-run-app-" + user)


def is_private(directory):
    """Tell whether the directory is this user's, and nobody else can change what is in it."""
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode):
        return False
    return os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)


def owner_above(path):
    """Return the user id of the nearest directory that is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_uid


def unpacked(place):
    """Return the unpacked directory below this place; raises OSError where there can be none."""
    if not os.path.isabs(place):
        raise OSError(errno.ENOENT, "there is no home directory")
    target = os.path.join(place, NAME)
    if os.name == "posix" and os.geteuid() == 0 and owner_above(place) != 0:
        raise OSError(errno.EPERM, "it is another user's")  # under sudo
    umask = os.umask(0o77)  # 0777 would shut out the user
    try:
        os.makedirs(place, 0o700, exist_ok=True)
        if not is_private(place):
            raise OSError(errno.EPERM, "another user owns it or can write to it")
        if not (os.path.isdir(target) and is_private(target)):
            unpack(place, target)
            remove_others(place)
    finally:
        os.umask(umask)
    return target


def unpack(place, target):
    """Unpack the archive to the target, which appears whole or not at all."""
    made = tempfile.mkdtemp(prefix=".new-", dir=place)
    try:
        with zipfile.ZipFile(sys.argv[0]) as outer:
            inner = io.BytesIO(outer.read("app.zip"))
        with zipfile.ZipFile(inner) as archive:
            archive.extractall(made)
        try:
            os.rename(made, target)
        except OSError:
            if not os.path.isdir(target):  # otherwise another run was first
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove_others(place):
    """Remove what older files unpacked, if nothing runs from there."""
    if os.name != "posix":
        return
    import fcntl

    for name in os.listdir(place):
        if not name.startswith(PREFIX) or name == NAME:
            continue
        directory = os.path.join(place, name)
        try:
            descriptor = os.open(directory, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(directory, ignore_errors=True)
        except OSError:
            pass  # in use
        finally:
            os.close(descriptor)


def main():
    """Unpack where this has not been done, and become what is there."""
    if sysconfig.get_config_var("EXT_SUFFIX") != SUFFIX:
        here = "python{}.{} on {}".format(*sys.version_info[:2], sysconfig.get_platform())
        fail(
            "{} is for {}, and this is {}".format(sys.argv[0], MADE_FOR, here),
            "use the file that was built for this Python and this system",
        )
    reasons = []
    for place in places():
        try:
            directory = unpacked(place)
            break
        except OSError as error:
            reasons.append("{}: {}".format(error.filename or place, error.strerror or error))
    else:
        fail(
            "cannot unpack {}: {}".format(sys.argv[0], "; ".join(reasons)),
            "name a directory that you can write to: XDG_CACHE_HOME=DIR",
        )
    command = [sys.executable, "-IS", os.path.join(directory, "start.py"), *sys.argv]
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    import subprocess

    sys.exit(subprocess.call(command))


main()
