"""Bundles of roots as files in the cache, each named by its content."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtls_run.cache import results, store
from mtls_run.errors import HandoffError, RootsError
from mtls_run.system import anonymous_file
from mtls_run.system.digests import sha256
from mtls_run.system.files import own_alone, read_file, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.roots.resolve import Roots

# A bundle that no run has used for this long is out of date.
KEPT_DAYS = 60
_DAY = 86400
_FOLDER = "bundles"
_KIND = "bundle"
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Bundle:
    """The PEM of a set of roots, and the name that its file has in the cache."""

    content: bytes = field(repr=False)
    name: str


def of(content: bytes) -> Bundle:
    """Return the bundle with this content."""
    return Bundle(content, f"{sha256(content).hexdigest()[:32]}.pem")


def find(made_from: str) -> Bundle | None:
    """Return the bundle that an earlier run made from what this digest names, or None."""
    fields = results.find(_KIND, made_from)
    if fields is None or len(fields) != 1:
        return None
    try:
        content = _read(store.directory(_FOLDER) / fields[0], _LARGEST)
    except OSError:
        return None
    found = None if content is None else of(content)
    return found if found is not None and found.name == fields[0] else None


def remember(made_from: str, bundle: Bundle) -> None:
    """Store that this bundle is made from what the digest names."""
    results.store(_KIND, made_from, [bundle.name])


def expected(roots: Roots) -> str | None:
    """Return the path that the roots will be handed on at, without making anything there."""
    if roots.bundle is not None:
        return str(store.expected(_FOLDER) / roots.bundle.name)
    return None if roots.file is None else str(roots.file)


def deliver(roots: Roots, rests_on: Dependencies) -> str | None:
    """Return the path of the roots for the tool; None where the system itself verifies.

    Where the cache cannot be written, a bundle is held in memory instead. Raises RootsError where
    that cannot be either.
    """
    if roots.bundle is None:
        return expected(roots)
    try:
        path = _keep(roots.bundle)
    except OSError as error:
        folder = store.expected(_FOLDER)
        reason = f"{error.filename or folder}: {error.strerror or error}"
    else:
        rests_on.status(path, written_here=True)  # its name is its content's digest
        return str(path)
    rests_on.forbid_reuse()
    try:
        return anonymous_file.hold(roots.bundle.content, "mtls-run-roots")
    except HandoffError:
        raise RootsError(
            f"cannot store the bundle of roots: {reason}",
            hint="make the cache directory of your home writable",
            code="handoff-failed",
        ) from None


def _keep(bundle: Bundle) -> Path:
    """Return the path of a file with this content; raises OSError where the cache cannot be used.

    A file that is there already is compared byte for byte.
    """
    directory = store.directory(_FOLDER)
    path = directory / bundle.name
    now = time.time()
    try:
        is_there = _read(path, len(bundle.content)) == bundle.content
    except OSError:
        is_there = False  # not there yet, or not readable
    if not is_there:
        write_atomically(path, bundle.content)
        _drop_old(directory, now, path)
    elif now - path.stat().st_mtime > _DAY:
        path.touch()
    return path


def _read(path: Path, largest: int) -> bytes | None:
    """Return the bytes of a file that only the user may change; raises OSError."""
    return read_file(path, largest, seen=own_alone)


def _drop_old(directory: Path, now: float, used: Path) -> None:
    for entry in directory.iterdir():
        try:
            # A file server's clock may differ: what was made just now is in use all the same.
            if entry != used and now - entry.stat().st_mtime > KEPT_DAYS * _DAY:
                entry.unlink()
        except OSError:
            continue  # another run was first
