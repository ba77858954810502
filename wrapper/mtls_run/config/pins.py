"""Compare the bytes of approved files as they are read for use."""

from __future__ import annotations

from mtls_run.errors import ConfigurationError
from mtls_run.system.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def digest(content: bytes) -> str:
    """Return the SHA-256, in hexadecimal, that pins a file's bytes."""
    return sha256(content).hexdigest()


def verify(pinned: Mapping[str, str], path: Path, content: bytes) -> None:
    """Raise ConfigurationError where a pinned file does not have the bytes that were approved."""
    allowed = pinned.get(str(path))
    if allowed is not None and digest(content) != allowed:
        raise ConfigurationError(
            f"{path} has changed since the project file that names it was allowed",
            hint="look at it, then: mtls-run allow",
            code="project-not-allowed",
        )
