"""The layers of the configuration: the system's file, and the user's laid over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import document, profile, readers, schema
from mtls_run.config.origin import DEFAULT, Origin, Setting
from mtls_run.config.policy import Policy
from mtls_run.errors import ConfigurationError
from mtls_run.system import dirs
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mtls_run.config.document import Document
    from mtls_run.config.profile import Profile, ProfileValues

NO_POLICY = Policy()
EXPIRY_NOTICE_DAYS: Setting[int] = Setting(14, DEFAULT)


@dataclass(frozen=True)
class DirectoryRule:
    """One entry of [[directories]]: its profile applies at `path` and below."""

    path: Path
    profile: Setting[str]


@dataclass(frozen=True)
class Configuration:
    """The settings of the user file laid over those of the system file.

    `own` has the profiles that the user file has, and where.
    """

    user_file: Path
    profiles: Mapping[str, ProfileValues]
    default_profile: Setting[str] | None = None
    directories: tuple[DirectoryRule, ...] = ()
    trusted_directories: Setting[tuple[Path, ...]] | None = None
    expiry_notice_days: Setting[int] = EXPIRY_NOTICE_DAYS
    policy: Policy = NO_POLICY
    own: Mapping[str, Origin] = field(default_factory=dict)

    def profile(self, name: str, origin: Origin) -> Profile:
        """Return profile `name`, chosen by `origin`; raise where no file has it."""
        readers.check_name(name, origin)
        if name not in self.profiles:
            if not self.profiles:
                raise ConfigurationError(
                    f"{origin.before}there is no profile `{name}`; {self.user_file} has none",
                    hint=f"mtls-run profile add {name} --client-cert FILE",
                )
            raise readers.unknown("profile", name, self.profiles, origin)
        values = profile.resolve(name, self.profiles)
        for link in profile.chain(name, self.profiles):
            if link in self.own:
                self.policy.check_profile(f"profile {link}", self.own[link])
        return profile.build(name, values, origin)


def user_file(environ: Mapping[str, str]) -> Setting[Path]:
    """Return the path of the user file and the origin of that path."""
    named = environ.get("MTLS_RUN_CONFIG")
    if named:
        origin = Origin("MTLS_RUN_CONFIG")
        place = readers.Place("MTLS_RUN_CONFIG", origin, current_directory())
        return Setting(readers.read_path(named, place), origin)
    return Setting(Path(dirs.user("config")) / "config.toml", DEFAULT)


def system_file() -> Path:
    """Return the path of the configuration that a fleet shares."""
    return Path(dirs.site_config()) / "config.toml"


@dataclass(frozen=True)
class Layer:
    """A configuration file, the top-level keys that it may have, and whether it has to exist."""

    file: Setting[Path]
    keys: Mapping[str, readers.Reader]
    required: bool = False

    def read(self, rests_on: Dependencies | None = None) -> LayerValues | None:
        """Return what the file says, or None where there is none; raises ConfigurationError."""
        source = document.read(self.file.value, rests_on=rests_on)
        if source is not None:
            return read_layer(source, rests_on, self.keys)
        if self.required:
            raise ConfigurationError(
                f"{self.file.origin} names {self.file.value}, which does not exist",
                hint=f"unset {self.file.origin}, or name a file that exists",
                code="config-missing",
            )
        return None


def in_order(
    environ: Mapping[str, str],
    system: Path | None = None,
    rests_on: Dependencies | None = None,
) -> tuple[Layer, ...]:
    """Return the layers, the undermost first: each is laid over those before it.

    A new layer, and what it alone may say, is added here.
    """
    user = user_file(environ)
    return (
        *system_layers(system or system_file(), rests_on or Dependencies()),
        Layer(user, schema.TOP_KEYS, required=user.origin is not DEFAULT),
    )


def system_layers(file: Path, rests_on: Dependencies) -> tuple[Layer, ...]:
    """Return the system's file, and those of config.d beside it, in order of name."""
    folder = file.with_name("config.d")
    names = sorted(rests_on.names(folder, (), ".toml"))
    files = (file, *(folder / name for name in names))
    return tuple(Layer(Setting(path, DEFAULT), schema.SYSTEM_KEYS) for path in files)


def load(
    environ: Mapping[str, str],
    system: Path | None = None,
    *,
    rests_on: Dependencies | None = None,
) -> Configuration:
    """Return the configuration of this user on this machine.

    Raises ConfigurationError, with file, line and the nearest right spelling, for a mistake in a
    file. A file that MTLS_RUN_CONFIG names must exist.
    """
    found = [layer.read(rests_on) for layer in in_order(environ, system, rests_on)]
    configured = lay(user_file(environ).value, [values for values in found if values is not None])
    configured.policy.check_version()
    return configured


@dataclass(frozen=True)
class LayerValues:
    """The checked settings of one file."""

    top: Mapping[str, Setting[Any]]
    profiles: Mapping[str, ProfileValues]
    directories: tuple[DirectoryRule, ...]
    policy: Mapping[str, Setting[Any]] = field(default_factory=dict)
    own: Mapping[str, Origin] = field(default_factory=dict)


def read_layer(
    source: Document,
    rests_on: Dependencies | None = None,
    known: Mapping[str, readers.Reader] = schema.TOP_KEYS,
) -> LayerValues:
    """Return the checked settings of one file, which may have the keys `known` at its top."""
    top = _read_keys(source, source.tables, known, ())
    profiles: dict[str, ProfileValues] = {}
    for name, table in source.tables.get("profiles", {}).items():
        keys = ("profiles", name)
        readers.check_name(name, source.origin(*keys))
        profiles[name] = read_profile(source, table, keys)
    directories = _read_directories(source, rests_on or Dependencies())
    if known is schema.SYSTEM_KEYS:
        stated = source.tables.get("policy", {})
        policy = _read_keys(source, stated, schema.POLICY_KEYS, ("policy",))
        return LayerValues(top, profiles, directories, policy)
    own = {name: source.origin("profiles", name) for name in profiles}
    return LayerValues(top, profiles, directories, own=own)


def read_profile(
    source: Document, table: object, keys: tuple[str | int, ...], *, also: tuple[str, ...] = ()
) -> ProfileValues:
    """Return the checked settings of the profile's table under `keys` of `source`.

    `also` has further keys that a table in this place may have, for the spelling that is suggested.
    """
    place = readers.Place(".".join(map(str, keys)), source.origin(*keys), source.path.parent)
    values = readers.read_table(table, place)
    settings = _read_keys(source, values, schema.PROFILE_KEYS, keys, also)
    if "cert" in settings:
        if "ca-cert" in settings:
            raise ConfigurationError(
                f"{settings['cert'].origin}: `cert` and `ca-cert` are two names of one setting",
                hint="keep `ca-cert`",
            )
        settings["ca-cert"] = settings.pop("cert")
    if "identities" in settings:
        settings["identities"] = _read_identities(source, settings["identities"], keys)
    return settings


def _read_identities(
    source: Document, entries: Setting[Any], keys: tuple[str | int, ...]
) -> Setting[tuple[ProfileValues, ...]]:
    """Return the further identities of a profile, each with all that it needs."""
    found: list[ProfileValues] = []
    where = (*keys, "identities")
    tables = entries.value
    if not isinstance(tables, list) or not all(isinstance(entry, dict) for entry in tables):
        place = readers.Place("identities", entries.origin, source.path.parent)
        raise place.error(tables, f"tables: [[{'.'.join(map(str, where))}]]")
    for index, entry in enumerate(tables):
        settings = _read_keys(source, entry, schema.IDENTITY_KEYS, (*where, index))
        for key in ("hosts", "client-cert"):
            if key not in settings:
                raise ConfigurationError(
                    f"{source.origin(*where, index)}: this identity lacks `{key}`",
                    hint="an entry has `hosts` and a `client-cert`",
                )
        found.append(settings)
    return Setting(tuple(found), entries.origin)


def _read_keys(
    source: Document,
    table: Mapping[str, Any],
    known: Mapping[str, readers.Reader],
    keys: tuple[str | int, ...],
    also: tuple[str, ...] = (),
) -> ProfileValues:
    settings: ProfileValues = {}
    for key, value in table.items():
        origin = source.origin(*keys, key)
        if key not in known:
            where = f" in [{'.'.join(map(str, keys))}]" if keys else ""
            raise readers.unknown(f"key{where}", key, (*known, *also), origin)
        place = readers.Place(key, origin, source.path.parent)
        settings[key] = Setting(known[key](value, place), origin)
    return settings


def _read_directories(source: Document, rests_on: Dependencies) -> tuple[DirectoryRule, ...]:
    entries = source.tables.get("directories", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise readers.Place("directories", source.origin("directories"), source.path.parent).error(
            entries, "tables: [[directories]]"
        )
    rules: dict[Path, DirectoryRule] = {}
    for index, entry in enumerate(entries):
        origin = source.origin("directories", index)
        settings = _read_keys(source, entry, schema.DIRECTORY_KEYS, ("directories", index))
        for key in schema.DIRECTORY_KEYS:
            if key not in settings:
                raise ConfigurationError(
                    f"{origin}: this [[directories]] entry lacks `{key}`",
                    hint="an entry has a `path` and a `profile`",
                )
        path = Path(rests_on.target(settings["path"].value))
        if path in rules:
            raise ConfigurationError(
                f"{settings['path'].origin}: {path} stands in [[directories]] twice, "
                f"first at {rules[path].profile.origin}",
                hint="keep one of the two",
            )
        rules[path] = DirectoryRule(path, settings["profile"])
    return tuple(rules.values())


def lay(user: Path, layers: list[LayerValues]) -> Configuration:
    """Return these layers, the undermost first, laid over each other; raises ConfigurationError."""
    top: ProfileValues = {}
    profiles: dict[str, ProfileValues] = {}
    directories: dict[Path, DirectoryRule] = {}
    policy: dict[str, Setting[Any]] = {}
    own: dict[str, Origin] = {}
    for layer in layers:
        top.update(layer.top)
        policy.update(layer.policy)
        own.update(layer.own)
        for name, settings in layer.profiles.items():
            profiles[name] = profile.overlay(profiles.get(name, {}), settings)
        directories.update((rule.path, rule) for rule in layer.directories)
    _check_names(top.get("default-profile"), directories, profiles)
    return Configuration(
        user_file=user,
        profiles=profiles,
        default_profile=top.get("default-profile"),
        directories=tuple(directories.values()),
        trusted_directories=top.get("trusted-directories"),
        expiry_notice_days=top.get("expiry-notice-days", EXPIRY_NOTICE_DAYS),
        policy=Policy.of(policy),
        own=own,
    )


def _check_names(
    default: Setting[str] | None,
    directories: Mapping[Path, DirectoryRule],
    profiles: Mapping[str, ProfileValues],
) -> None:
    named = [("default-profile", default)] if default else []
    named += [("[[directories]]", rule.profile) for rule in directories.values()]
    named += [("extends", table["extends"]) for table in profiles.values() if "extends" in table]
    for where, setting in named:
        if setting.value not in profiles:
            raise readers.unknown(f"profile in {where}:", setting.value, profiles, setting.origin)
