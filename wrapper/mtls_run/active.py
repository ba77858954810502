"""MTLS_RUN_ACTIVE: what a nested mtls-run may use again, if it is what it would have made itself.

The variable carries no authority. Whoever writes it can name a file, but that file is used only
where the same resolved profile with the same certificate files was meant, it is this user's, and it
holds the recorded certificate with its key, in order and valid now.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import identity
from .errors import IdentityError
from .files import read_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .identity import Identity, Material
    from .profile import Profile

VARIABLE = "MTLS_RUN_ACTIVE"
_FORM = "1"
_FIELDS = 4


@dataclass(frozen=True)
class Active:
    """An identity that an outer mtls-run handed on, checked anew, and the path it is at."""

    identity: Identity
    path: str


def digest(profile: Profile, material: Material) -> str:
    """Return what names this resolved profile together with the bytes of its identity's files."""
    values = [
        profile.name,
        profile.client_cert and profile.client_cert.value,
        profile.client_key and profile.client_key.value,
        profile.ca_cert and profile.ca_cert.value,
        profile.roots.value,
        profile.passphrase.value,
        material.digest,
    ]
    said = "\0".join(str(value) for value in values)
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def record(profile: Profile, material: Material, checked: Identity, path: str) -> str:
    """Return the variable's value for the identity that the tool was handed at `path`."""
    return ":".join((_FORM, digest(profile, material), checked.fingerprint, path))


def honoured(
    environ: Mapping[str, str], profile: Profile, material: Material, now: datetime
) -> Active | None:
    """Return the identity that the variable records, or None where mtls-run is to start afresh."""
    fields = environ.get(VARIABLE, "").split(":", _FIELDS - 1)
    if len(fields) != _FIELDS:
        return None
    form, meant, fingerprint, path = fields
    if form != _FORM or meant != digest(profile, material) or not path.startswith(("/", "\\")):
        return None
    try:
        if os.name == "posix" and os.stat(path).st_uid != os.geteuid():  # noqa: PTH116
            return None
        data = read_file(Path(path), identity.LARGEST)
        if data is None:
            return None
        held = identity.parse([(Path(path), data)])
        found = held.unlock(None, now)
    except (OSError, IdentityError):
        return None
    if found.fingerprint != fingerprint or found.ready is None:
        return None
    # Where the profile's certificates show without a passphrase, it has to be one of them.
    if not material.containers and found.leaf not in material.certificates:
        return None
    return Active(found, path)
