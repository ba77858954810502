"""Reading and writing files so that nothing hangs, nothing is half written, nothing is shared."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from mtls_run.errors import MtlsRunError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def current_directory() -> Path:
    """Return the current directory; raises MtlsRunError where it was removed under us."""
    try:
        return Path.cwd()
    except OSError as error:
        raise MtlsRunError(
            f"cannot find the current directory: {error.strerror}",
            hint="change to a directory that exists: cd",
        ) from None


def read_file(
    path: Path, largest: int, *, seen: Callable[[os.stat_result], object] | None = None
) -> bytes | None:
    """Return the bytes of the regular file at `path`, or None where there are more than `largest`.

    Opened without waiting, so that a FIFO in a file's place is an error and not a hang. `seen` is
    given the status of the very file that was read. Raises OSError, whose `strerror` says why.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except ValueError as error:  # a NUL in the path
        raise OSError(errno.EINVAL, str(error)) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        raise OSError(errno.EINVAL, "it is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if seen is not None:
            seen(found)
        content = file.read(largest + 1)
    return None if len(content) > largest else content


def own_alone(found: os.stat_result) -> None:
    """Raise OSError unless the file is the user's own, and nobody else may write it."""
    if os.name == "posix" and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
        raise PermissionError(errno.EPERM, "others could have written it")


def is_missing(error: OSError) -> bool:
    """Tell whether there is no such file, rather than one that cannot be read."""
    return isinstance(error, (FileNotFoundError, NotADirectoryError))


def write_atomically(
    path: Path, content: bytes, *, mode: int = 0o600, durable: bool = False
) -> None:
    """Write `content` to `path`, all of it or nothing; raises OSError.

    With `durable` it is on disk before it replaces the old file, so that a power cut leaves one of
    the two. Without, a file system that delays writes may leave an empty file (ext4, XFS).
    """
    name = path.parent / f".{path.name}.{os.urandom(8).hex()}"
    # As tempfile.mkstemp does, whose imports take a third of a Python start.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(name, flags | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            name.chmod(mode)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise
    if durable:
        _flush_directory(path.parent)


def _flush_directory(directory: Path) -> None:
    """Write the names in a directory to disk, where the system can."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except (AttributeError, OSError):  # Windows; a directory that cannot be listed
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # a file system without it
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory that the user alone may enter, whatever the umask; raises OSError."""
    path.mkdir(mode=0o700)
    path.chmod(0o700)  # a umask such as 777 leaves no bit of the mode above


def private_directory(path: Path) -> Path:
    """Return `path` as a directory that the user alone may enter, and make it where it is missing.

    Raises OSError where it cannot be made, is not a directory, or belongs to another user. A home
    directory that is missing is not made.
    """
    if not path.is_dir():
        home = Path("~").expanduser()
        if home in path.parents and not home.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(home))
        for folder in reversed([path, *path.parents]):  # with `parents`, these go by the umask
            try:
                if not folder.is_dir():
                    make_directory(folder)
            except FileExistsError:
                if not folder.is_dir():  # else another run made it at the same time
                    raise
    if os.name == "posix":
        found = path.stat()
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{path} belongs to another user")
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)
    return path
