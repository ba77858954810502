"""Load an identity from where its profile says it is.

An identity is read once. The bytes that were read are checked, and they are what the tool gets.
A new kind of source is a class beside `Printed`, which takes part in a run as `KeyMaterial` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mtls_run.errors import IdentityError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.system.command import Command
from mtls_run.system.digests import sha256
from mtls_run.system.files import is_missing, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile

    Contents = list[tuple[Path, bytes]]

# A certificate file has a few kilobytes.
LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Printed:
    """An identity that a command prints, in part at least: `renewal.printed` runs the command.

    It takes part in a run as `KeyMaterial` does, and shows nothing before the command has run.
    """

    profile: Profile
    locked: bool = True

    @property
    def where(self) -> str:
        """Return the commands, and the file beside them."""
        return " and ".join(dict.fromkeys(str(value) for value in _halves(self.profile)))

    @property
    def digest(self) -> str:
        """Return the SHA-256 that names the commands."""
        text = "\0".join(map(repr, _halves(self.profile)))
        return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()

    def may_hold(self, _leaf: object) -> bool:
        """Return True: nothing is known of the certificate."""
        return True


def _halves(profile: Profile) -> list[object]:
    named = (profile.client_cert, profile.client_key)
    return [setting.value for setting in named if setting is not None]


def files_of(profile: Profile) -> list[tuple[str, Setting[Path]]]:
    """Return the files that the profile names, by their keys, each once."""
    found: dict[Path, tuple[str, Setting[Path]]] = {}
    for name, setting in (("client-cert", profile.client_cert), ("client-key", profile.client_key)):
        if setting is not None and isinstance(setting.value, Path):
            found.setdefault(setting.value, (name, cast("Setting[Path]", setting)))
    return list(found.values())


def is_in_token(profile: Profile) -> bool:
    """Return whether the profile's key is in a token."""
    key = profile.client_key or profile.client_cert
    return key is not None and isinstance(key.value, Pkcs11Uri)


def is_printed(profile: Profile) -> bool:
    """Return whether a command prints the profile's certificate or key."""
    return any(isinstance(value, Command) for value in _halves(profile))


def read(profile: Profile) -> Contents:
    """Return the files of the profile's identity with their bytes, none if it has no identity.

    Raises IdentityError for a file that cannot be read, and for an identity that no file has;
    ConfigurationError for a file that is not as an approval pinned it.
    """
    if is_printed(profile):
        raise IdentityError(
            f"{Printed(profile).where} prints the identity of {profile.label}, which is in no file",
            hint="see what it prints: mtls-run profile renew",
        )
    if is_in_token(profile):
        setting = profile.client_key or profile.client_cert
        assert setting is not None
        raise IdentityError(
            f"{setting.origin}: the key of {profile.label} is in a token and cannot be handed "
            "to the tool",
            hint="use the gateway, which signs for the tool: mtls-run --handoff gateway …",
            code="handoff-failed",
        )
    return read_files(profile, files_of(profile))


def read_files(profile: Profile, settings: Sequence[tuple[str, Setting[Path]]]) -> Contents:
    """Return these files of the profile with their bytes; raise as `read` does."""
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
