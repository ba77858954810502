"""MTLS_RUN_ACTIVE: what a nested mtls-run may use again, if it is what it would have made itself.

The variable carries no authority. Whoever writes it can name a file, but that file is used only
where the same resolved profile with the same certificate files was meant, it is this user's, and it
holds the recorded certificate with its key, in order and valid now.
"""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.errors import IdentityError
from mtls_run.identity import source
from mtls_run.identity.material import parse
from mtls_run.record import Record
from mtls_run.system.digests import sha256
from mtls_run.system.files import read_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mtls_run.config.profile import Profile
    from mtls_run.identity.material import Identity, KeyMaterial

VARIABLE = "MTLS_RUN_ACTIVE"
_FORM = "1"
_FIELDS = 4


class Active(Record):
    """An identity that an outer mtls-run handed on, checked anew, and the path it is at."""

    identity: Identity
    path: str


def digest(profile: Profile, named: str) -> str:
    """Return what names this profile with the bytes of its identity's files, which are `named`."""
    values = [
        profile.name,
        profile.client_cert and profile.client_cert.value,
        profile.client_key and profile.client_key.value,
        profile.ca_cert and profile.ca_cert.value,
        profile.roots.value,
        profile.passphrase.value,
        named,
    ]
    said = "\0".join(str(value) for value in values)
    return sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def record(profile: Profile, named: str, fingerprint: str, path: str) -> str:
    """Return the variable's value for the identity that the tool was handed at `path`."""
    return ":".join((_FORM, digest(profile, named), fingerprint, path))


def honoured(
    environ: Mapping[str, str], profile: Profile, material: KeyMaterial, now: datetime
) -> Active | None:
    """Return the identity that the variable records, or None where mtls-run is to start afresh."""
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
        if os.name == "posix" and os.stat(path).st_uid != os.geteuid():  # noqa: PTH116
            return None
        data = read_own(Path(path), source.LARGEST)
    except OSError:
        return None
    found = None if data is None else checked(data, material, now)
    if found is None or found.fingerprint != fingerprint:
        return None
    return Active(found, path)


def checked(pem: bytes, material: KeyMaterial, now: datetime) -> Identity | None:
    """Return the identity in what an earlier run handed on, where it is the material's, unlocked.

    It passes the checks that one passes which is unlocked now.
    """
    try:
        found = parse([(Path(material.where), pem)]).unlock(None, now)
    except IdentityError:
        return None
    # Where the profile's certificates show without a passphrase, it has to be one of them.
    if not material.containers and found.leaf not in material.certificates:
        return None
    return found if found.ready is not None else None
