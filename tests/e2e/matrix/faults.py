"""Identities that cannot work, each in every form that it can have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Callable

from tests.pki import Issued, make_key

if TYPE_CHECKING:
    from tests.e2e.matrix.scene import Scene
    from tests.pki import Authority

WRONG = "not the passphrase of this key"

Fault = Callable[["Authority"], Issued]

ISSUED: dict[str, tuple[Fault, str]] = {
    "expired": (lambda issuer: issuer.issue("alice", starts=-9, days=-1), "expired"),
    "not-yet-valid": (lambda issuer: issuer.issue("alice", starts=1, days=9), "valid"),
    "other-key": (
        lambda issuer: replace(issuer.issue("alice"), key=make_key("ec")),
        "does not belong",
    ),
    "server-usage": (lambda issuer: issuer.issue("alice", eku="server"), "client"),
    "version-1": (lambda issuer: issuer.issue("alice", version=1), "X.509 v1"),
}
"""How the certificate is issued, and what the message has to say of it."""
SAID = {
    "wrong-passphrase": "passphrase",
    "no-passphrase": "CORP_PASSPHRASE",
    "no-key": "key",
    **{name: said for name, (_, said) in ISSUED.items()},
}


def prepare(scene: Scene) -> None:
    """Write the identity with the fault of this cell, and the profile."""
    fault = scene.cell["fault"]
    if fault in ISSUED:
        scene.bench.alice = ISSUED[fault][0](scene.bench.server.issuer)
    scene.profile(WRONG if fault == "wrong-passphrase" else None)
    if fault == "no-passphrase":
        scene.env.clear()
    if fault == "no-key":
        alice = scene.bench.alice
        path = "pki/alice.pem" if scene.cell.form == "pem" else "pki/alice.key"
        scene.bench.sandbox.write(path, alice.cert_pem + alice.chain_pem)
