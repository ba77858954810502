"""Keys in a software TPM, and keys in a token by every Python of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.matrix.pythons import Environments, found
from tests.e2e.test_token import BOTH
from tests.tokens import PIN, SoftToken, SoftTpm, identity, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.e2e.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture
def tpm(tmp_path: Path) -> Iterator[SoftTpm]:
    """Return a new software TPM without a key."""
    place = SoftTpm(tmp_path / "tpm", "Tpm")
    yield place
    place.stop()


def ask(
    place: SoftToken,
    nginx: Server,
    folder: Path,
    names: str,
    python: Path | None = None,
    **asked: Any,
) -> dict[str, Any]:
    """Open the token as the profile `corp` has it, and return what happened."""
    config = folder / "config.toml"
    config.write_text(f"[profiles.corp]\n{names}\n")
    request = {"pins": [PIN], "port": nginx.port, "ca": str(nginx.root / "server-ca.pem"), **asked}
    environ = {**place.environ, "MTLS_RUN_CONFIG": str(config)}
    return run(request, environ, python) if python else run(request, environ)


@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_a_key_in_a_tpm_is_admitted(kind: str, tpm: SoftTpm, nginx: Server, tmp_path: Path) -> None:
    """The certificate comes from the TPM's store, and its chain is in a file beside."""
    issued = identity(tpm, nginx.issuer, kind)
    (tmp_path / "alice.pem").write_bytes(issued.cert_pem + issued.chain_pem)
    names = f'client-cert = "alice.pem"\nclient-key = "{tpm.uri()}"'
    done = ask(tpm, nginx, tmp_path, names, versions=BOTH, threads=4)
    assert done["answers"] == ["204"] * 6, done
    alone = ask(tpm, nginx, tmp_path, f'client-cert = "{tpm.uri()}"')
    assert alone["opened"][2] == 1, alone


def test_a_tpm_refuses_a_wrong_pin_once(tpm: SoftTpm, nginx: Server, tmp_path: Path) -> None:
    """The TPM is asked once."""
    identity(tpm, nginx.issuer, "p256")
    done = ask(tpm, nginx, tmp_path, f'client-cert = "{tpm.uri()}"', pins=["wrong", PIN])
    assert [error["code"] for error in done["errors"]] == ["passphrase-wrong"] * 2, done


def test_a_tpm_that_goes_away_is_said(tpm: SoftTpm, nginx: Server, tmp_path: Path) -> None:
    """Without its resource manager the module does not load, and the error says so."""
    tpm.stop()
    done = ask(tpm, nginx, tmp_path, f'client-cert = "{tpm.uri()}"')
    assert [error["code"] for error in done["errors"]] == ["token-missing"], done


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Environments:
    """Return environments of every Python, with mtls-run's wheel."""
    return Environments.create(tmp_path_factory.mktemp("pythons"))


@pytest.mark.parametrize("name", list(found()))
@pytest.mark.parametrize("kind", ["rsa", "p256", "p384"])
def test_every_python_signs_by_a_token(
    kind: str, name: str, environments: Environments, nginx: Server, tmp_path: Path
) -> None:
    """The extra installs on each, and nginx verifies the client by TLS 1.2 and 1.3."""
    python = environments.mtls_run(name).with_name("python")
    place = SoftToken(tmp_path / "hsm")
    identity(place, nginx.issuer, kind)
    answer = ask(place, nginx, tmp_path, f'client-cert = "{place.uri()}"', python, versions=BOTH)
    assert answer["answers"] == ["204", "204"], answer
