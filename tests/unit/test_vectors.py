"""Each vector has the verdict that its index expects."""

from __future__ import annotations

import pytest

from mtls_run.config.origin import Origin
from mtls_run.errors import IdentityError, RootsError
from mtls_run.identity import checks
from mtls_run.identity.material import parse
from mtls_run.roots import certificates
from mtls_run.secret import Secret
from tests.vectors.index import CA_FILES, IDENTITIES, PASSPHRASE, WORKS, Vector


def verdicts(vector: Vector) -> dict[str, str]:
    """Return the verdict for pip and for uv, as a run would give it."""
    now = checks.utc_now()
    try:
        held = parse(vector.contents)
        held.check_early(now)
        found = held.unlock(Secret(PASSPHRASE) if vector.locked else None, now)
    except IdentityError as error:
        return dict.fromkeys(("pip", "uv"), str(error.code))
    return {"pip": WORKS, "uv": WORKS if found.kind.rustls else "identity-key-kind"}


def ca_verdict(vector: Vector) -> str:
    """Return the verdict on a file of CA certificates."""
    ((path, data),) = vector.contents
    try:
        certificates.read_added(data, str(path), Origin("the test"))
    except RootsError as error:
        return str(error.code)
    return WORKS


@pytest.mark.parametrize("vector", IDENTITIES, ids=str)
def test_identity(vector: Vector) -> None:
    """An identity works, or the finding that the index names refuses it."""
    assert verdicts(vector) == vector.verdicts


@pytest.mark.parametrize("vector", CA_FILES, ids=str)
def test_ca(vector: Vector) -> None:
    """A file of CA certificates works, or the finding that the index names refuses it."""
    assert ca_verdict(vector) == vector.verdicts["ca"]
