"""Bundles of roots as files in the cache, each named by its content."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mtls_run import cache, verdicts, witness
from mtls_run.digests import sha256
from mtls_run.errors import HandoffError, RootsError
from mtls_run.files import own_alone, read_own, write_atomically
from mtls_run.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    from . import Roots

# A bundle that no run has used for so long belongs to roots that are no more.
KEPT_DAYS = 60
_DAY = 86400
_KIND = "bundle"
_LARGEST = 64 * 1024 * 1024


class Bundle(Record):
    """The PEM of a set of roots, and the name that the file with it has.

    `found` tells that this content was read from that file, and need not be compared again.
    """

    HIDDEN = ("content",)

    content: bytes
    name: str
    found: bool = False


def of(content: bytes) -> Bundle:
    """Return the bundle with this content."""
    return Bundle(content, f"{sha256(content).hexdigest()[:32]}.pem")


def recall(made_from: str) -> Bundle | None:
    """Return the bundle that an earlier run made from what this digest names, or None.

    That it was made from that is remembered; what is in the file is compared with its name.
    """
    (name,) = verdicts.recall(_KIND, made_from) or [""]
    if not name:
        return None
    try:
        content = _read(cache.expected("bundles") / name, _LARGEST)
    except OSError:
        return None
    if content is None or of(content).name != name:
        return None
    return Bundle(content, name, found=True)


def remember(made_from: str, bundle: Bundle) -> None:
    """Remember that what this digest names makes this bundle."""
    verdicts.keep(_KIND, made_from, [bundle.name])


def expected_path(bundle: Bundle) -> Path:
    """Return where `keep` would put the bundle, without touching the cache."""
    return cache.expected("bundles") / bundle.name


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
    witness.unkeepable()
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
    directory = cache.directory("bundles")
    path = directory / bundle.name
    now = time.time()
    try:
        if bundle.found or _read(path, len(bundle.content)) == bundle.content:
            if now - path.stat().st_mtime > _DAY:
                path.touch()
            witness.file(path, racy=False)  # it is named by what is in it
            return path
    except OSError:
        pass  # not there yet, or not readable: it is written anew
    write_atomically(path, bundle.content)
    witness.file(path, racy=False)
    _drop_old(directory, now, path)
    return path


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
