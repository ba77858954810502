"""The files of a client identity, read once.

What was read is checked, and what was checked is handed on.
"""

from __future__ import annotations

from mtls_run.errors import IdentityError
from mtls_run.system.digests import sha256
from mtls_run.system.files import is_missing, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile

    Contents = list[tuple[Path, bytes]]

# A certificate file is a few kilobytes; what is much larger is not one.
LARGEST = 1024 * 1024


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
