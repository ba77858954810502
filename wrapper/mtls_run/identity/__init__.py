"""The client's identity: certificate, intermediates and private key, read once and checked.

`gather` reads the files of a profile and needs no passphrase; `Material.unlock` opens the key and
returns an Identity that has passed every check. Rotation under the reader cannot mix generations:
what was read is what is checked, and what is checked is what is handed on.

Importing this costs little; what takes cryptography is imported where it is asked for: `material`.
"""

from __future__ import annotations

from mtls_run.digests import sha256
from mtls_run.errors import IdentityError
from mtls_run.files import is_missing, read_file

from .kind import KeyKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from mtls_run.origin import Setting
    from mtls_run.profile import Profile

    from .material import Container, Identity, Material, parse

    Contents = list[tuple[Path, bytes]]

__all__ = ["Container", "Identity", "KeyKind", "Material", "digest", "gather", "parse", "read"]

# A certificate file is a few kilobytes; what is much larger is not one.
LARGEST = 1024 * 1024
_OF_MATERIAL = ("Container", "Identity", "Material", "parse")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever `material` has
    if name not in _OF_MATERIAL:
        raise AttributeError(name)
    from . import material  # noqa: PLC0415 - that is the point

    return getattr(material, name)


def gather(profile: Profile) -> Material | None:
    """Return what the files of the profile's identity hold, or None where it has no identity.

    Raises IdentityError, naming the file and where the profile names it, for a file that is not
    there, cannot be read, or holds nothing that is accepted.
    """
    from . import material  # noqa: PLC0415 - see above

    contents = read(profile)
    return material.parse(contents) if contents else None


def read(profile: Profile) -> Contents:
    """Return the files of the profile's identity with their bytes; raises as `gather` does."""
    if profile.client_cert is None:
        return []
    settings = [("client-cert", profile.client_cert)]
    if profile.client_key is not None and profile.client_key.value != profile.client_cert.value:
        settings.append(("client-key", profile.client_key))
    contents = [(setting.value, _read(name, setting)) for name, setting in settings]
    for path, data in contents:
        profile.verify(path, data)
    return contents


def digest(contents: Contents) -> str:
    """Return the SHA-256 that names these bytes."""
    found = sha256()
    for _, data in contents:
        found.update(sha256(data).digest())
    return found.hexdigest()


def _read(name: str, setting: Setting[Path]) -> bytes:
    try:
        data = read_file(setting.value, LARGEST)
    except OSError as error:
        raise IdentityError(
            f"cannot read {setting.value}, `{name}` at {setting.origin}: {error.strerror or error}",
            hint="name a file that is there and that you may read",
            code="identity-missing" if is_missing(error) else "identity-unreadable",
        ) from None
    if data is None:
        raise IdentityError(
            f"{setting.value}, `{name}` at {setting.origin}, is larger than "
            f"{LARGEST // 1024} KiB: no certificate is",
            hint="name the file with the certificate",
        )
    return data
