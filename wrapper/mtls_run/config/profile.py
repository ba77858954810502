"""A certificate profile, laid over the profiles that it extends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mtls_run.config import pins
from mtls_run.config.origin import DEFAULT, Origin, Setting
from mtls_run.config.schema import unknown
from mtls_run.errors import ConfigurationError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.passphrase.sources import FromKeyring

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from mtls_run.passphrase.sources import PassphraseSource

    # What a profile's table says, key by key, each value already read and with its origin.
    ProfileValues = dict[str, Setting[Any]]

SYSTEM = Setting("system", DEFAULT)
KEYRING: Setting[PassphraseSource] = Setting(FromKeyring(), DEFAULT)


@dataclass(frozen=True)
class Profile:
    """The identity and roots to use; every value with its origin.

    `name` is None for a profile that no user file names; `origin` is why it applies here.
    `pinned` has the SHA-256 that files named by a project file have to have. `yields` says that
    what is set for uv already wins over it, as it does over pip's own settings.
    """

    name: str | None
    origin: Origin
    client_cert: Setting[Path | Pkcs11Uri] | None = None
    client_key: Setting[Path | Pkcs11Uri] | None = None
    ca_cert: Setting[tuple[Path, ...]] | None = None
    roots: Setting[str] = SYSTEM
    passphrase: Setting[PassphraseSource] = KEYRING
    remember: Setting[int] | None = None
    pinned: Mapping[str, str] = field(default_factory=dict)
    yields: bool = False

    def verify(self, path: Path, content: bytes) -> None:
        """Raise ConfigurationError where a file that an approval pins has other bytes now."""
        pins.verify(self.pinned, path, content)

    @property
    def label(self) -> str:
        """Return the name of the profile for messages."""
        if self.name:
            return f"profile {self.name}"
        return "the profile of pip's settings" if self.yields else "the profile of this directory"

    @property
    def set_command(self) -> str:
        """Return the command that stores the passphrase of this profile."""
        return f"mtls-run passphrase set {self.name}" if self.name else "mtls-run passphrase set"

    @property
    def account(self) -> str:
        """Return the keyring's user name for this profile's passphrase."""
        if self.name:
            return self.name
        key = self.client_key or self.client_cert
        if key is None or isinstance(key.value, Pkcs11Uri):
            return f"file:{key.value if key else ''}"
        return f"file:{key.value.absolute()}"


def overlay(base: ProfileValues, over: ProfileValues) -> ProfileValues:
    """Return `over` laid over `base`: values replace, certificate and key as a pair."""
    merged = dict(base)
    if "client-cert" in over or "client-key" in over:
        merged.pop("client-cert", None)
        merged.pop("client-key", None)
    merged.update(over)
    return merged


def resolve(name: str, tables: Mapping[str, ProfileValues]) -> ProfileValues:
    """Return the values of profile `name`, laid over every profile that it extends.

    `tables` has each profile by name; `name` is one of them. Raises ConfigurationError for a
    cycle and for a name that no profile has.
    """
    chain: list[str] = []
    current: str | None = name
    while current is not None:
        chain.append(current)
        parent = tables[current].get("extends")
        if parent is None:
            break
        if parent.value in chain:
            loop = " -> ".join([*chain[chain.index(parent.value) :], parent.value])
            raise ConfigurationError(
                f"{parent.origin}: `extends` goes in a circle: {loop}",
                hint="remove one `extends`",
            )
        if parent.value not in tables:
            raise unknown("profile in `extends`:", parent.value, tables, parent.origin)
        current = parent.value
    values: ProfileValues = {}
    for link in reversed(chain):
        values = overlay(values, tables[link])
    values.pop("extends", None)
    return values


def build(
    name: str | None,
    values: ProfileValues,
    origin: Origin,
    *,
    pinned: Mapping[str, str] | None = None,
    yields: bool = False,
) -> Profile:
    """Return the profile of these values; `origin` says why it applies.

    Raises ConfigurationError where the values do not fit each other.
    """
    certificate, key = values.get("client-cert"), values.get("client-key")
    if key is not None and certificate is None:
        raise ConfigurationError(
            f"{key.origin}: `client-key` stands without `client-cert`",
            hint="name the certificate too; in a layer above, the two replace as a pair",
        )
    if isinstance(certificate and certificate.value, Pkcs11Uri) and not isinstance(
        key and key.value, (Pkcs11Uri, type(None))
    ):
        assert key is not None
        raise ConfigurationError(
            f"{key.origin}: `client-key` is a file, and the certificate is in a token",
            hint="remove `client-key`, or name the key in the token: pkcs11:…",
        )
    if "passphrase" in values and certificate is None and not yields:
        raise ConfigurationError(
            f"{values['passphrase'].origin}: `passphrase` stands without `client-cert`, "
            "so the tool would run without a certificate",
            hint="name the certificate, or the profile that has it: extends = …",
        )
    return Profile(
        name=name,
        origin=origin,
        client_cert=certificate,
        client_key=key,
        ca_cert=values.get("ca-cert"),
        roots=values.get("roots", SYSTEM),
        passphrase=values.get("passphrase", KEYRING),
        remember=values.get("remember"),
        pinned=pinned or {},
        yields=yields,
    )
