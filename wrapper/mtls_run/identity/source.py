"""Load an identity from where its profile says it is.

An identity is read once. The bytes that were read are checked, and they are what the tool gets.
A new kind of source, such as a command, is a class beside `Files` and a line in `of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from mtls_run.errors import IdentityError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.system.digests import sha256
from mtls_run.system.files import is_missing, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile

    Contents = list[tuple[Path, bytes]]

# A certificate file has a few kilobytes.
LARGEST = 1024 * 1024


class Source(Protocol):
    """The place that a profile's identity comes from."""

    @property
    def label(self) -> str:
        """Return the name of the source for messages."""

    @property
    def not_after(self) -> float | None:
        """Return when the identity expires, in seconds since 1970, if the source says so."""

    def load(self) -> Contents:
        """Return the files or their like, read once; raise MtlsRunError where there is none."""


@dataclass(frozen=True)
class Files:
    """The files that a profile names for its certificate and key."""

    profile: Profile
    not_after: None = None  # only the certificate in them says it

    @property
    def label(self) -> str:
        """Return the paths of the files."""
        return named(setting.value for _, setting in files_of(self.profile))

    def load(self) -> Contents:
        """Return the files with their bytes.

        Raises IdentityError for a file that cannot be read, and ConfigurationError for one that is
        not as an approval pinned it.
        """
        return read_files(self.profile, files_of(self.profile))


@dataclass(frozen=True)
class InToken:
    """A key in a token, which no file can hold: `identity.token` opens it where it signs."""

    profile: Profile
    not_after: None = None

    @property
    def label(self) -> str:
        """Return the URI of the key."""
        setting = self.profile.client_key or self.profile.client_cert
        assert setting is not None
        return str(setting.value)

    def load(self) -> Contents:
        """Raise IdentityError: a handoff of files has nothing to hand on."""
        setting = self.profile.client_key or self.profile.client_cert
        assert setting is not None
        raise IdentityError(
            f"{setting.origin}: the key of {self.profile.label} is in a token and cannot be handed "
            "to the tool",
            hint="use the gateway, which signs for the tool: mtls-run --handoff gateway …",
            code="handoff-failed",
        )


def files_of(profile: Profile) -> list[tuple[str, Setting[Path]]]:
    """Return the files that the profile names, by their keys, each once."""
    found: dict[Path, tuple[str, Setting[Path]]] = {}
    for name, setting in (("client-cert", profile.client_cert), ("client-key", profile.client_key)):
        if setting is not None and not isinstance(setting.value, Pkcs11Uri):
            found.setdefault(setting.value, (name, cast("Setting[Path]", setting)))
    return list(found.values())


def is_in_token(profile: Profile) -> bool:
    """Return whether the profile's key is in a token."""
    key = profile.client_key or profile.client_cert
    return key is not None and isinstance(key.value, Pkcs11Uri)


def of(profile: Profile) -> Source | None:
    """Return the source of the profile's identity, or None where the profile has no identity."""
    if profile.client_cert is None:
        return None
    return InToken(profile) if is_in_token(profile) else Files(profile)


def read(profile: Profile) -> Contents:
    """Return the files of the profile's identity with their bytes; raise as `Files.load` does."""
    found = of(profile)
    return [] if found is None else found.load()


def read_files(profile: Profile, settings: Sequence[tuple[str, Setting[Path]]]) -> Contents:
    """Return these files of the profile with their bytes; raise as `Files.load` does."""
    contents = [(setting.value, _read(name, setting)) for name, setting in settings]
    for path, data in contents:
        profile.verify(path, data)
    return contents


def named(paths: Iterable[Path]) -> str:
    """Return these files as messages name them."""
    return " and ".join(map(str, paths))


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
            hint="name a file that exists and that you may read",
            code="identity-missing" if is_missing(error) else "identity-unreadable",
        ) from None
    if data is None:
        raise IdentityError(
            f"{setting.value}, `{name}` at {setting.origin}, is larger than "
            f"{LARGEST // 1024} KiB: no certificate is",
            hint="name the file with the certificate",
        )
    return data
