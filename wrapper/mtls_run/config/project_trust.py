"""The user's approval or denial of a directory's project file.

Kept in the user's state directory, one private file a project file, named by the absolute path: a
content that was allowed elsewhere is not allowed here (direnv #83). What was allowed is the very
bytes that were read, and the bytes of the files below the project that it names; these are compared
when they are read for use, so that nothing can change between review and use (direnv #445).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import ConfigurationError, MtlsRunError
from mtls_run.output.text import quoted
from mtls_run.system import dirs
from mtls_run.system.digests import sha256
from mtls_run.system.files import own_alone, private_directory, read_file, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.dependencies import Dependencies
    from mtls_run.config.layers import Configuration
    from mtls_run.config.project import ProjectFile

_LARGEST = 1024 * 1024
_NAMED_LARGEST = 16 * 1024 * 1024
MISSING = "missing"
NOT_ALLOWED = "project-not-allowed"
_LOOK = "look at what the project file names before it is allowed"


@dataclass(frozen=True)
class Approval:
    """The approval or denial of a project file; `files` has the SHA-256 of each file it names."""

    denied: bool
    says: str
    files: Mapping[str, str]


def store() -> Path:
    """Return the directory of the approvals, whether it is there or not."""
    return Path(dirs.user("state")) / "approvals"


def recall(path: Path, rests_on: Dependencies | None = None) -> Approval | None:
    """Return the approval or denial of the project file at `path`, or None.

    Raises ConfigurationError where an approval is there and cannot be read: a denial is not lost.
    """
    entry = _entry(path)
    if rests_on is not None:
        rests_on.file(entry)
        rests_on.owner(entry)
    try:
        content = read_file(entry, _LARGEST, seen=own_alone)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(entry, error.strerror or str(error)) from None
    try:
        approval = json.loads(content or b"null")
        if approval["path"] != str(path):
            return None
        files = {str(name): str(digest) for name, digest in approval["files"].items()}
        return Approval(bool(approval["denied"]), str(approval["says"]), files)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _unreadable(entry, "it is damaged") from None


def allow(project: ProjectFile) -> Approval:
    """Store that the project file is allowed as it is now; return the approval."""
    files = {str(path): _digest(path) for path in project.named_files()}
    return _keep(project.path, Approval(denied=False, says=project.says, files=files))


def deny(path: Path) -> None:
    """Store that the project file at `path` is denied, whatever its content."""
    _keep(path, Approval(denied=True, says="", files={}))


def is_denied(path: Path, rests_on: Dependencies) -> bool:
    """Tell whether the project file at `path` is denied."""
    approval = recall(path, rests_on)
    return approval is not None and approval.denied


def require(
    project: ProjectFile,
    configured: Configuration,
    anyway: str | None,
    rests_on: Dependencies,
) -> Mapping[str, str]:
    """Return the digests that the named files have to have, where the project file counts.

    `anyway` is the profile that would apply without it: to name that one needs no trust. Raises
    ConfigurationError, with what to do, where it does not count.
    """
    if project.names is not None and project.names.value == anyway:
        return {}
    approval = recall(project.path, rests_on)
    if approval is not None and approval.denied:
        raise _refused(project, "is denied by `mtls-run deny`")
    if _is_trusted(project.directory, configured, rests_on):
        return {}
    if approval is None:
        raise _refused(project, "is not allowed")
    if approval.says != project.says:
        raise _refused(project, "has changed since it was allowed")
    return approval.files


def _is_trusted(directory: Path, configured: Configuration, rests_on: Dependencies) -> bool:
    if configured.trusted_directories is None:
        return False
    here = Path(rests_on.target(directory))
    tops = [Path(rests_on.target(path)) for path in configured.trusted_directories.value]
    return any(top == here or top in here.parents for top in tops)


def _refused(project: ProjectFile, state: str) -> ConfigurationError:
    if project.names is not None:
        wish = f"names profile {project.names.value}"
    else:
        wish = f"has a profile of its own ({', '.join(project.settings) or 'empty'})"
    return ConfigurationError(
        f"the project file {project.path} {wish}, and {state}",
        hint=f"look at it, then: mtls-run allow {quoted(project.directory)}; "
        "or choose a profile yourself: mtls-run --profile NAME …",
        code=NOT_ALLOWED,
    )


def _entry(path: Path) -> Path:
    name = sha256(os.fsencode(path)).hexdigest()
    return store() / f"{name}.json"


def _keep(path: Path, approval: Approval) -> Approval:
    entry = {
        "path": str(path),
        "denied": approval.denied,
        "says": approval.says,
        "files": approval.files,
    }
    try:
        directory = store()
        if not directory.is_absolute():
            raise FileNotFoundError(2, os.strerror(2), str(directory))
        private_directory(directory.parent)
        private_directory(directory)
        write_atomically(_entry(path), json.dumps(entry, indent=1).encode("utf-8"), durable=True)
    except OSError as error:
        raise MtlsRunError(
            f"cannot write to {store()}: {error.strerror or error}",
            hint="make the state directory of your home writable",
        ) from None
    return approval


def _digest(path: Path) -> str:
    try:
        content = read_file(path, _NAMED_LARGEST)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {path}, which the project file names: {error.strerror or error}",
            hint=_LOOK,
        ) from None
    if content is None:
        raise ConfigurationError(f"{path}, which the project file names, is too large", hint=_LOOK)
    return sha256(content).hexdigest()


def _unreadable(entry: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(
        f"cannot read the approval or denial {entry}: {reason}",
        hint="remove that file, then run `mtls-run allow` or `mtls-run deny` again",
    )
