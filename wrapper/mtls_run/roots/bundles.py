"""Bundles of roots as files in the cache, each named by its content."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mtls_run import cache, witness
from mtls_run.digests import sha256
from mtls_run.errors import HandoffError, RootsError
from mtls_run.files import read_own, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from . import Roots

# A bundle that no run has used for so long belongs to roots that are no more.
KEPT_DAYS = 60
_DAY = 86400


def name_of(content: bytes) -> str:
    """Return the file name of a bundle with this content."""
    return f"{sha256(content).hexdigest()[:32]}.pem"


def expected_path(content: bytes) -> Path:
    """Return where `keep` would put the bundle, without touching the cache."""
    return cache.expected("bundles") / name_of(content)


def expected(roots: Roots) -> str | None:
    """Return the path that the roots will be handed on at, without making anything there."""
    if roots.content is not None:
        return str(expected_path(roots.content))
    return None if roots.file is None else str(roots.file)


def handed(roots: Roots) -> str | None:
    """Return the path of the roots for the tool; None where the system itself verifies.

    Where the cache cannot be written, a bundle is held in memory instead. Raises RootsError where
    that cannot be either.
    """
    if roots.content is None:
        return expected(roots)
    try:
        return str(keep(roots.content))
    except OSError as error:
        reason = f"{error.filename or expected_path(roots.content).parent}: "
        reason += error.strerror or str(error)
    witness.unkeepable()
    from mtls_run.handoff import memfd  # noqa: PLC0415 - where there is no cache

    try:
        return memfd.hold(roots.content, "mtls-run-roots")
    except HandoffError:
        raise RootsError(
            f"the bundle of roots cannot be kept: {reason}",
            hint="make the cache directory of your home writable",
            code="handoff-failed",
        ) from None


def keep(content: bytes) -> Path:
    """Return the path of a file with this content; raises OSError where the cache cannot be used.

    A file that is already there is compared byte for byte, never believed by its name.
    """
    directory = cache.directory("bundles")
    path = directory / name_of(content)
    now = time.time()
    try:
        if read_own(path, len(content)) == content:
            if now - path.stat().st_mtime > _DAY:
                path.touch()
            witness.file(path, racy=False)  # it is named by what is in it
            return path
    except OSError:
        pass  # not there yet, or not readable: it is written anew
    write_atomically(path, content)
    witness.file(path, racy=False)
    _drop_old(directory, now)
    return path


def _drop_old(directory: Path, now: float) -> None:
    for entry in directory.iterdir():
        try:
            if now - entry.stat().st_mtime > KEPT_DAYS * _DAY:
                entry.unlink()
        except OSError:
            continue  # another run was first
