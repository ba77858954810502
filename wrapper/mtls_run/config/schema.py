"""Define the keys of a configuration file, and how each value is read.

A new key of a profile is one line in PROFILE_KEYS and one field of `profile.Profile`.
"""

from __future__ import annotations

import re

from mtls_run.cli import HANDOFFS
from mtls_run.config.readers import (
    Place,
    read_days,
    read_duration,
    read_hosts,
    read_identity,
    read_name,
    read_passphrase,
    read_path,
    read_paths,
    read_renewal,
    read_table,
    read_url_paths,
    unknown,
)
from mtls_run.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.config.readers import Reader

ROOTS = ("system", "public", "environment", "none")


def _read_one_of(*choices: str) -> Reader:
    def read(value: object, place: Place) -> str:
        if not isinstance(value, str):
            raise place.error(value, " | ".join(f'"{choice}"' for choice in choices))
        if value not in choices:
            raise unknown(f"value of `{place.key}`", value, choices, place.origin)
        return value

    return read


def _read_bool(value: object, place: Place) -> bool:
    if not isinstance(value, bool):
        raise place.error(value, "true or false")
    return value


def _read_version(value: object, place: Place) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,6}(\.\d{1,6})*", value, re.ASCII):
        raise place.error(value, 'a version such as "0.2.0"')
    return value


def _refuse_policy(_value: object, place: Place) -> object:
    raise ConfigurationError(
        f"{place.origin}: [policy] counts in the system's configuration alone",
        hint="remove it, or move it to a file that the administrators keep",
    )


# The keys of [policy], which the system's configuration alone may have.
POLICY_KEYS: dict[str, Reader] = {
    "handoff": _read_one_of("gateway"),
    "allow-project-files": _read_bool,
    "profiles": _read_one_of("system"),
    "min-version": _read_version,
}

PROFILE_KEYS: dict[str, Reader] = {
    "client-cert": read_identity,
    "client-key": read_identity,
    "ca-cert": read_paths,
    "cert": read_paths,  # pip's name for ca-cert
    "roots": _read_one_of(*ROOTS),
    "passphrase": read_passphrase,
    "extends": read_name,
    "remember": read_duration,
    "renew": read_renewal,
    "handoff": _read_one_of(*HANDOFFS),
    "hosts": read_hosts,
    "paths": read_url_paths,
    "identities": lambda value, _place: value,  # read entry by entry
}

# The keys of an entry of [[profiles.NAME.identities]].
IDENTITY_KEYS: dict[str, Reader] = {
    name: PROFILE_KEYS[name]
    for name in ("client-cert", "client-key", "passphrase", "hosts", "paths")
}

DIRECTORY_KEYS: dict[str, Reader] = {"path": read_path, "profile": read_name}

TOP_KEYS: dict[str, Reader] = {
    "default-profile": read_name,
    "trusted-directories": read_paths,
    "expiry-notice-days": read_days,
    "profiles": read_table,
    "directories": lambda value, _place: value,  # read entry by entry
    "policy": _refuse_policy,
}
SYSTEM_KEYS: dict[str, Reader] = {**TOP_KEYS, "policy": read_table}
