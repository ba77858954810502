"""MTLS_RUN_ACTIVE: an identity that an outer mtls-run unlocked, used again by a nested one.

The variable carries no authority. It names a file, which is used only where the same resolved
profile with the same certificate files is meant, where the file is this user's, and where it holds
the recorded certificate with its key, in order and valid now.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mtls_run.identity
from mtls_run.cache.launches import WithIdentity
from mtls_run.errors import IdentityError
from mtls_run.identity import source
from mtls_run.system.digests import sha256
from mtls_run.system.files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.identity.source import Printed

VARIABLE = "MTLS_RUN_ACTIVE"
_FORM = "1"
_FIELDS = 4


@dataclass(frozen=True)
class Inherited:
    """An identity that an outer mtls-run delivered, checked anew, and its path."""

    identity: Identity
    path: str


def digest(profile: Profile, files: str) -> str:
    """Return the digest of a profile and of its identity's files, whose own digest is `files`."""
    values = [
        profile.name,
        profile.client_cert and profile.client_cert.value,
        profile.client_key and profile.client_key.value,
        profile.ca_cert and profile.ca_cert.value,
        profile.roots.value,
        profile.passphrase.value,
        profile.hosts and profile.hosts.value,
        profile.paths and profile.paths.value,
        files,
    ]
    text = "\0".join(str(value) for value in values)
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def renewal_key(profile: Profile) -> str | None:
    """Return the digest that names the renewal of this profile's identity, or None without one.

    Profiles with the same files and command share their renewal.
    """
    if source.is_printed(profile):
        return digest(profile, source.Printed(profile).digest)
    if profile.renew is None:
        return None
    files = [setting.value for _, setting in source.files_of(profile)]
    text = "\0".join(map(str, (profile.renew.value.command.argv, *files)))
    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def record(profile: Profile, files: str, fingerprint: str) -> WithIdentity:
    """Return the variable's value, which ends with the path that the identity is delivered at."""
    return WithIdentity(":".join((_FORM, digest(profile, files), fingerprint, "")))


def reuse(
    environ: Mapping[str, str], profile: Profile, material: KeyMaterial | Printed, now: datetime
) -> Inherited | None:
    """Return the identity that the variable records, or None where mtls-run starts afresh."""
    fields = environ.get(VARIABLE, "").split(":", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return None
    form, meant, fingerprint, path = fields
    if (
        form != _FORM
        or meant != digest(profile, material.digest)
        or not path.startswith(("/", "\\"))
    ):
        return None
    try:
        if os.name == "posix" and os.stat(path).st_uid != os.geteuid():
            return None
        data = read_file(Path(path), source.LARGEST)
    except OSError:
        return None
    found = None if data is None else checked(data, material, now)
    if found is None or found.fingerprint != fingerprint:
        return None
    return Inherited(found, path)


def checked(pem: bytes, material: KeyMaterial | Printed, now: datetime) -> Identity | None:
    """Return the identity in a PEM that an earlier run made of this material, or None.

    It passes the same checks as one that is unlocked now.
    """
    try:
        found = mtls_run.identity.material.parse([(Path(material.where), pem)]).unlock(None, now)
    except IdentityError:
        return None
    # Where the profile's certificates show without a passphrase, it has to be one of them.
    if not material.may_hold(found.leaf):
        return None
    return found if found.ready is not None else None
