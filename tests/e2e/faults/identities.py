"""Faults of the identity's files, its passphrase and the keyring."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)

from tests.e2e.faults.pki import World, for_agreement_only
from tests.e2e.faults.scene import (
    Fault,
    Healthy,
    Step,
    directory,
    file,
    identity,
    keyring,
    locked,
    setting,
    variable,
)
from tests.pki import Issued, KeyKind, make_key

if TYPE_CHECKING:
    from tests.e2e.faults.scene import Scene

VARIABLE = '{ env = "CORP_PASSPHRASE" }'
FILE = '{ file = "~/passphrase" }'
EXPIRED_DAYS, SOON_DAYS = -2, 3


def _in_variable(scene: Scene) -> None:
    scene.env["CORP_PASSPHRASE"] = scene.passphrase


def _pkcs7(world: World) -> bytes:
    return pkcs7.serialize_certificates([world.alice.certificate], Encoding.PEM)


def _openssh(world: World) -> bytes:
    key = world.alice.key
    return world.alice.cert_pem + key.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )


def _two_certificates(world: World) -> bytes:
    key = make_key("ec")
    renewed = world.client_issuer.issue("alice-renewed", key=key)
    return renewed.cert_pem + world.client_issuer.issue("alice", key=key).pem()


def _damaged_key(world: World) -> bytes:
    lines = world.alice.key_pem().splitlines(keepends=True)
    return world.alice.cert_pem + world.alice.chain_pem + lines[0] + b"AAAA\n" + lines[-1]


def _short_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def _p12(expired: Issued, scene: Scene) -> bytes:
    scene.secrets += expired.traces
    return expired.p12(scene.passphrase)


IDENTITY = (
    Fault("identity not there", "identity-missing", identity(lambda _: None)),
    Fault(
        "key not there",
        "identity-missing",
        identity(lambda world: world.alice.cert_pem + world.alice.chain_pem),
        setting("client-key", '"~/pki/alice.key"'),
    ),
    Fault(
        "directory for an identity",
        "identity-unreadable",
        directory("pki/folder"),
        setting("client-cert", '"~/pki/folder"'),
    ),
    Fault("empty identity", "identity-unrecognised", identity(lambda _: b"")),
    Fault("noise", "identity-unrecognised", identity(lambda _: bytes(range(256)) * 8)),
    Fault("identity cut off", "identity-unrecognised", identity(lambda w: w.alice.pem()[:-60])),
    Fault("PKCS#7", "identity-unrecognised", identity(_pkcs7)),
    Fault("key as OpenSSH writes it", "identity-unrecognised", identity(_openssh)),
    Fault("damaged key", "identity-unrecognised", identity(_damaged_key)),
    Fault(
        "Java keystore",
        "identity-unrecognised",
        identity(lambda _: b"\xfe\xed\xfe\xed\0\0\0\2" + bytes(64)),
    ),
    Fault("no key", "identity-no-key", identity(lambda w: w.alice.cert_pem + w.alice.chain_pem)),
    Fault("no certificate", "identity-no-certificate", identity(lambda w: w.alice.key_pem())),
    Fault(
        "two keys",
        "identity-ambiguous",
        identity(lambda world: world.alice.pem() + world.revoked.key_pem()),
    ),
    Fault("two certificates for the key", "identity-ambiguous", identity(_two_certificates)),
    Fault(
        "key of another certificate",
        "identity-key-mismatch",
        identity(lambda w: w.alice.cert_pem + w.alice.chain_pem + w.revoked.key_pem()),
    ),
    Fault(
        "identity expired",
        "identity-expired",
        identity(lambda w: w.client_issuer.issue("alice", starts=-40, days=EXPIRED_DAYS)),
    ),
    Fault(
        "identity expired, in PKCS#12",
        "identity-expired",
        file(
            "pki/alice.pem",
            lambda scene: _p12(
                scene.world.client_issuer.issue("alice", starts=-40, days=EXPIRED_DAYS), scene
            ),
        ),
        setting("passphrase", VARIABLE),
        _in_variable,
    ),
    Fault(
        "identity not yet valid",
        "identity-not-yet-valid",
        identity(lambda w: w.client_issuer.issue("alice", starts=9, days=40)),
    ),
    Fault(
        "identity expires soon",
        "identity-expires-soon",
        identity(lambda w: w.client_issuer.issue("alice", starts=-30, days=SOON_DAYS)),
        rank="warning",
    ),
    Fault(
        "identity for servers",
        "identity-not-for-clients",
        identity(lambda w: w.client_issuer.issue("alice", eku="server")),
    ),
    Fault(
        "identity of version 1",
        "identity-version",
        identity(lambda w: w.client_issuer.issue("alice", version=1)),
    ),
    # OpenSSL's servers, nginx too, ask digitalSignature or keyAgreement of a client; others do not
    # take this one.
    Fault(
        "identity that may not sign",
        "identity-key-usage",
        identity(for_agreement_only),
        rank="warning",
    ),
    Fault(
        "RSA key of 1024 bits",
        "identity-key-kind",
        identity(lambda world: world.client_issuer.issue("alice", key=_short_key())),
    ),
    Fault(
        "key that others can read",
        "key-readable-by-others",
        identity(lambda world: world.alice, mode=0o644),
        rank="warning",
    ),
)

PASSPHRASE = (
    Fault(
        "passphrase of another key",
        "passphrase-wrong",
        locked(VARIABLE, passphrase="the right one"),
        _in_variable,
    ),
    Fault(
        "passphrase of another PKCS#12",
        "passphrase-wrong",
        identity(lambda world: world.alice.p12("the right one")),
        setting("passphrase", FILE),
        file("passphrase", lambda scene: scene.passphrase),
    ),
    Fault("passphrase variable not set", "passphrase-variable-unset", locked(VARIABLE)),
    Fault(
        "passphrase variable empty",
        "passphrase-variable-unset",
        locked(VARIABLE),
        variable("CORP_PASSPHRASE", ""),
    ),
    Fault("passphrase file not there", "passphrase-file-missing", locked(FILE)),
    Fault(
        "passphrase file empty",
        "passphrase-file-missing",
        locked(FILE),
        file("passphrase", lambda _: "\n"),
    ),
    Fault(
        "passphrase file that others can read",
        "passphrase-file-unsafe",
        locked(FILE),
        file("passphrase", lambda scene: scene.passphrase, mode=0o644),
    ),
    Fault(
        "passphrase command fails",
        "passphrase-command-failed",
        locked('{ command = ["/bin/false"] }'),
    ),
    Fault(
        "passphrase command not there",
        "passphrase-command-failed",
        locked('{ command = ["no-such-vault", "read"] }'),
    ),
    Fault(
        "passphrase command says nothing",
        "passphrase-command-failed",
        locked('{ command = ["/bin/true"] }'),
    ),
    Fault("passphrase to be asked for", "passphrase-missing", locked('"prompt"')),
    Fault("keyring empty", "passphrase-missing", locked('"keyring"'), keyring()),
    Fault(
        "keyring with another passphrase",
        "passphrase-wrong",
        locked('"keyring"', passphrase="the right one"),
        keyring(lambda scene: scene.passphrase),
    ),
    Fault("no keyring", "keyring-absent", locked('"keyring"')),
    Fault(
        "keyring locked",
        "keyring-locked",
        locked('"keyring"'),
        keyring(lambda scene: scene.passphrase, lock=True),
    ),
    Fault(
        "keyring in plain text",
        "keyring-plain-text",
        locked('"keyring"'),
        variable("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring"),
    ),
    Fault(
        "keyring that keeps nothing",
        "keyring-failed",
        locked('"keyring"'),
        variable("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring"),
    ),
)

IDENTITIES = (*IDENTITY, *PASSPHRASE)


def _of_kind(kind: KeyKind) -> tuple[Healthy, ...]:
    """Return healthy set-ups with this kind of key: unencrypted, encrypted, PKCS#12, separate."""

    def alice(scene: Scene) -> Issued:
        found = scene.world.client_issuer.issue("alice", key=kind)
        scene.secrets += found.traces
        return found

    def ready(scene: Scene) -> None:
        scene.identity(alice(scene))

    def encrypted(scene: Scene) -> None:
        scene.identity(alice(scene).pem(scene.passphrase))

    def container(scene: Scene) -> None:
        scene.identity(alice(scene).p12(scene.passphrase), "alice.p12")

    def apart(scene: Scene) -> None:
        found = alice(scene)
        scene.identity(found.cert_pem + found.chain_pem)
        scene.sandbox.write("pki/alice.key", found.key_pem(scene.passphrase))
        scene.settings["client-key"] = '"~/pki/alice.key"'

    opened: tuple[Step, ...] = (setting("passphrase", VARIABLE), _in_variable)
    return (
        Healthy(f"{kind}, ready", ready),
        Healthy(f"{kind}, encrypted", encrypted, *opened, notes=()),
        Healthy(f"{kind}, PKCS#12", container, *opened, notes=()),
        Healthy(f"{kind}, key apart", apart, *opened, notes=()),
    )


HEALTHY_IDENTITIES = (
    *_of_kind("rsa"),
    *_of_kind("ec"),
    *_of_kind("p384"),
    *_of_kind("ed25519"),
    *_of_kind("p521"),
    Healthy(
        "identity without usages",
        identity(lambda world: world.client_issuer.issue("alice", eku=None)),
    ),
    Healthy(
        "identity from key to leaf",
        identity(lambda world: world.alice.pem(order="key-niahc-leaf")),
    ),
    Healthy(
        "keyring",
        locked('"keyring"'),
        keyring(lambda scene: scene.passphrase),
        notes=(),
    ),
    Healthy(
        "passphrase in a file",
        locked(FILE),
        file("passphrase", lambda scene: scene.passphrase + "\n"),
        notes=(),
    ),
)
