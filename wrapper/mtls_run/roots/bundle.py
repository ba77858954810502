"""Bundles of roots as files in the cache, each named by its content."""

from __future__ import annotations

import time

from mtls_run.cache import dependencies, results, store
from mtls_run.errors import HandoffError, RootsError
from mtls_run.record import Record
from mtls_run.system.digests import sha256
from mtls_run.system.files import own_alone, read_own, write_atomically

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.roots.resolve import Roots

# A bundle that no run has used for so long belongs to roots that are no more.
KEPT_DAYS = 60
_DAY = 86400
_KIND = "bundle"
_LARGEST = 64 * 1024 * 1024


class Bundle(Record):
    """The PEM of a set of roots, and the name that the file with it has.

    `made_from` is the digest of what it was made from. Where an earlier run made it of that, `mark`
    is its file's, as it was then or is known to be now, and `held` may not have been read.
    """

    HIDDEN = ("held",)

    held: bytes | None
    name: str
    made_from: str = ""
    mark: str = ""

    @property
    def content(self) -> bytes:
        """Return the PEM; raises OSError where it lies in a file that is gone."""
        found = self.held
        if found is None:
            found = _read(expected_path(self), _LARGEST)
        if found is None:
            raise OSError(27, "it is too large", str(expected_path(self)))
        return found


def of(content: bytes, made_from: str = "") -> Bundle:
    """Return the bundle with this content."""
    return Bundle(content, f"{sha256(content).hexdigest()[:32]}.pem", made_from)


def recall(made_from: str) -> Bundle | None:
    """Return the bundle that an earlier run made from what this digest names, or None.

    That it was made from that is remembered. Where its file has changed since, what is in it is
    compared with its name.
    """
    fields = results.recall(_KIND, made_from)
    if fields is None or len(fields) != 2:  # noqa: PLR2004 - name and mark
        return None
    name, mark = fields
    try:
        path = store.directory("bundles") / name
        if dependencies.stamp(dependencies.FILE, str(path)) == mark:
            return Bundle(None, name, made_from, mark)
        content = _read(path, _LARGEST)
    except OSError:
        return None
    if content is None or of(content).name != name:
        return None
    return Bundle(content, name, made_from)


def expected_path(bundle: Bundle) -> Path:
    """Return where `keep` would put the bundle, without touching the cache."""
    return store.expected("bundles") / bundle.name


def expected(roots: Roots) -> str | None:
    """Return the path that the roots will be handed on at, without making anything there."""
    if roots.bundle is not None:
        return str(expected_path(roots.bundle))
    return None if roots.file is None else str(roots.file)


def handed(roots: Roots) -> str | None:
    """Return the path of the roots for the tool; None where the system itself verifies.

    Where the cache cannot be written, a bundle is held in memory instead. Raises RootsError where
    that cannot be either.
    """
    if roots.bundle is None:
        return expected(roots)
    try:
        return str(keep(roots.bundle))
    except OSError as error:
        reason = f"{error.filename or expected_path(roots.bundle).parent}: "
        reason += error.strerror or str(error)
    dependencies.unkeepable()
    from mtls_run.handoff import memfd  # noqa: PLC0415 - where there is no cache

    try:
        return memfd.hold(roots.bundle.content, "mtls-run-roots")
    except HandoffError:
        raise RootsError(
            f"the bundle of roots cannot be kept: {reason}",
            hint="make the cache directory of your home writable",
            code="handoff-failed",
        ) from None


def keep(bundle: Bundle) -> Path:
    """Return the path of a file with this content; raises OSError where the cache cannot be used.

    A file that is already there is compared byte for byte, never believed by its name.
    """
    directory = store.directory("bundles")
    path = directory / bundle.name
    now = time.time()
    if not _is_there(path, bundle):
        write_atomically(path, bundle.content)
        _drop_old(directory, now, path)
    elif now - path.stat().st_mtime > _DAY:
        path.touch()
    dependencies.file(path, racy=False)  # it is named by what is in it
    mark = dependencies.stamp(dependencies.FILE, str(path))
    if bundle.made_from and bundle.mark != mark:
        results.keep(_KIND, bundle.made_from, [bundle.name, mark])
    return path


def _is_there(path: Path, bundle: Bundle) -> bool:
    """Tell whether the file has this content; where `recall` knew its mark, nobody looks."""
    if bundle.mark and dependencies.stamp(dependencies.FILE, str(path)) == bundle.mark:
        return True
    try:
        return _read(path, len(bundle.content)) == bundle.content
    except OSError:
        return False  # not there yet, or not readable: it is written anew


def _read(path: Path, largest: int) -> bytes | None:
    """Return what is in a file that the user alone may change; raises OSError."""
    return read_own(path, largest, seen=own_alone)


def _drop_old(directory: Path, now: float, used: Path) -> None:
    for entry in directory.iterdir():
        try:
            # A file server's clock may be another: what was made just now is in use all the same.
            if entry != used and now - entry.stat().st_mtime > KEPT_DAYS * _DAY:
                entry.unlink()
        except OSError:
            continue  # another run was first
