"""A certificate profile, laid over the profiles that it extends."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from mtls_run.config.origin import DEFAULT, Origin, Setting
from mtls_run.config.readers import unknown
from mtls_run.errors import ConfigurationError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.output.text import quoted
from mtls_run.passphrase.sources import FromKeyring, FromVariable
from mtls_run.system.command import Command
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mtls_run.config.readers import Renewal
    from mtls_run.config.scope import HostPattern
    from mtls_run.passphrase.sources import PassphraseSource

# What a profile's table says, key by key, each value already read and with its origin.
ProfileValues = dict[str, Setting[Any]]
GATEWAY = "gateway"
SYSTEM = Setting("system", DEFAULT)
KEYRING: Setting[PassphraseSource] = Setting(FromKeyring(), DEFAULT)


@dataclass(frozen=True)
class Profile:
    """The identity and roots to use; every value with its origin.

    `name` is None for a profile that no user file names; `origin` is why it applies here.
    `hosts` and `paths` say which servers are shown the identity (none: those that ask), and
    `identities` has the profile's further identities, each as a profile for hosts of its own.
    `pinned` has the SHA-256 that files named by a project file have to have. `yields` says that
    what is set for uv already wins over it, as it does over pip's own settings.
    """

    name: str | None
    origin: Origin
    client_cert: Setting[Path | Pkcs11Uri | Command] | None = None
    client_key: Setting[Path | Pkcs11Uri | Command] | None = None
    ca_cert: Setting[tuple[Path, ...]] | None = None
    roots: Setting[str] = SYSTEM
    passphrase: Setting[PassphraseSource] = KEYRING
    remember: Setting[int] | None = None
    renew: Setting[Renewal] | None = None
    handoff: Setting[str] | None = None
    hosts: Setting[tuple[HostPattern, ...]] | None = None
    paths: Setting[tuple[str, ...]] | None = None
    identities: tuple[Profile, ...] = ()
    is_further: bool = False
    pinned: Mapping[str, str] = field(default_factory=dict)
    yields: bool = False

    def verify(self, path: Path, content: bytes) -> None:
        """Raise ConfigurationError where a file that an approval pins has other bytes now."""
        allowed = self.pinned.get(str(path))
        if allowed is not None and sha256(content).hexdigest() != allowed:
            raise ConfigurationError(
                f"{path} has changed since the project file that names it was allowed",
                hint="look at it, then: mtls-run allow",
                code="project-not-allowed",
            )

    def settings(self) -> dict[str, Setting[Any]]:
        """Return the values that there are, those by default too, each under its key."""
        named = {one.name.replace("_", "-"): getattr(self, one.name) for one in fields(self)}
        return {key: value for key, value in named.items() if isinstance(value, Setting)}

    @property
    def label(self) -> str:
        """Return the name of the profile for messages."""
        if self.is_further and self.hosts:
            shown = ", ".join(map(str, self.hosts.value))
            return f"profile {self.name} at {shown}" if self.name else f"the identity for {shown}"
        if self.name:
            return f"profile {self.name}"
        return "the profile of pip's settings" if self.yields else "the profile of this directory"

    @property
    def set_command(self) -> str:
        """Return the command that stores the passphrase of this profile."""
        return self.passphrase_command("set")

    def passphrase_command(self, verb: str) -> str:
        """Return `mtls-run passphrase VERB` for this profile, or this identity of it."""
        words = ["mtls-run passphrase", verb, *([self.name] if self.name else [])]
        if self.is_further and self.hosts:
            words += ["--host", quoted(self.hosts.value[0])]
        return " ".join(words)

    @property
    def account(self) -> str:
        """Return the keyring's user name for this profile's passphrase."""
        if self.name and not self.is_further:
            return self.name
        key = self.client_key or self.client_cert
        if key is None or isinstance(key.value, (Pkcs11Uri, Command)):
            return f"file:{key.value if key else ''}"
        return f"file:{key.value.absolute()}"

    @property
    def passphrase_variables(self) -> tuple[str, ...]:
        """Return the variables that hold a passphrase of this profile; the tool gets none."""
        sources = [one.passphrase.value for one in (self, *self.identities)]
        return tuple(source.name for source in sources if isinstance(source, FromVariable))

    @property
    def gateway_reason(self) -> Setting[object] | None:
        """Return the setting that only the gateway can fulfil, or None."""
        found: list[Setting[Any] | None] = [self.hosts, self.paths]
        found += [one.hosts for one in self.identities]
        found += [
            one for one in (self.client_cert, self.client_key) if one and _in_token(one.value)
        ]
        return next((setting for setting in found if setting is not None), None)


def _in_token(value: object) -> bool:
    return isinstance(value, Pkcs11Uri)


def overlay(base: ProfileValues, over: ProfileValues) -> ProfileValues:
    """Return `over` laid over `base`: values replace, certificate and key as a pair.

    What renews the pair's files goes with it.
    """
    merged = dict(base)
    if "client-cert" in over or "client-key" in over:
        merged.pop("client-cert", None)
        merged.pop("client-key", None)
        merged.pop("renew", None)
    merged.update(over)
    return merged


def resolve(name: str, tables: Mapping[str, ProfileValues]) -> ProfileValues:
    """Return the values of profile `name`, laid over every profile that it extends.

    `tables` has each profile by name; `name` is one of them. Raises ConfigurationError for a
    cycle and for a name that no profile has.
    """
    values: ProfileValues = {}
    for link in reversed(chain(name, tables)):
        values = overlay(values, tables[link])
    values.pop("extends", None)
    return values


def chain(name: str, tables: Mapping[str, ProfileValues]) -> list[str]:
    """Return the profile's name and those of the profiles that it extends, nearest first.

    Raises as `resolve` does.
    """
    found: list[str] = []
    current: str | None = name
    while current is not None:
        found.append(current)
        parent = tables[current].get("extends")
        if parent is None:
            break
        if parent.value in found:
            loop = " -> ".join([*found[found.index(parent.value) :], parent.value])
            raise ConfigurationError(
                f"{parent.origin}: `extends` forms a cycle: {loop}",
                hint="remove one `extends`",
            )
        if parent.value not in tables:
            raise unknown("profile in `extends`:", parent.value, tables, parent.origin)
        current = parent.value
    return found


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
            f"{key.origin}: `client-key` needs `client-cert`",
            hint="name the certificate too; in a layer above, the two replace as a pair",
        )
    _check_renewal(values)
    _check_handoff(values)
    halves = [one.value for one in (certificate, key) if one is not None]
    if any(map(_in_token, halves)) and any(isinstance(one, Command) for one in halves):
        assert certificate is not None
        raise ConfigurationError(
            f"{certificate.origin}: one half of the identity is in a token, and a command prints "
            "the other",
            hint="name both in the token, or let the command print both",
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
            f"{values['passphrase'].origin}: `passphrase` needs `client-cert`; "
            "the tool would run without a certificate",
            hint="name the certificate, or the profile that has it: extends = …",
        )
    named: dict[str, Any] = {key.replace("-", "_"): setting for key, setting in values.items()}
    further = named.pop("identities").value if "identities" in values else ()
    built = Profile(name, origin, pinned=pinned or {}, yields=yields, **named)
    return replace(built, identities=tuple(_further(built, table) for table in further))


def _further(profile: Profile, values: ProfileValues) -> Profile:
    """Return a further identity of this profile, with the profile's roots."""
    return replace(
        profile,
        client_cert=values["client-cert"],
        client_key=values.get("client-key"),
        passphrase=values.get("passphrase", KEYRING),
        hosts=values["hosts"],
        paths=values.get("paths"),
        remember=None,
        renew=None,
        is_further=True,
    )


def _check_renewal(values: ProfileValues) -> None:
    """Raise ConfigurationError where `renew` has no files that its command could renew."""
    renew = values.get("renew")
    if renew is None:
        return
    named = [values[name].value for name in ("client-cert", "client-key") if name in values]
    if any(isinstance(value, Command) for value in named):
        raise ConfigurationError(
            f"{renew.origin}: `renew` is for files, and a command prints this identity",
            hint="remove `renew`: mtls-run asks the command again before the certificate's end",
        )
    if not named or any(_in_token(value) for value in named):
        raise ConfigurationError(
            f"{renew.origin}: `renew` needs `client-cert`, the file that its command renews",
            hint="name the certificate's file: client-cert = …",
        )


def _check_handoff(values: ProfileValues) -> None:
    """Raise ConfigurationError where the values contradict each other about the gateway."""
    handoff = values.get("handoff")
    needs: list[str] = [name for name in ("hosts", "paths", "identities") if name in values]
    keys = [name for name in ("client-cert", "client-key") if name in values]
    needs += [name for name in keys if _in_token(values[name].value)]
    needing = needs[0] if needs else None
    if needing and handoff is not None and handoff.value != GATEWAY:
        raise ConfigurationError(
            f'{handoff.origin}: `handoff` is "{handoff.value}", '
            f"but `{needing}` at {values[needing].origin} needs the gateway",
            hint=f'write handoff = "gateway", or remove `{needing}`',
        )
    for name in ("hosts", "paths"):
        if name in values and "client-cert" not in values:
            raise ConfigurationError(
                f"{values[name].origin}: `{name}` needs `client-cert`, and the profile has none",
                hint="name the certificate that these hosts are shown",
            )
    if "paths" in values and "hosts" not in values:
        raise ConfigurationError(
            f"{values['paths'].origin}: `paths` needs `hosts`",
            hint='name the hosts: hosts = ["pypi.corp.example"]',
        )
