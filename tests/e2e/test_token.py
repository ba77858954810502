"""Keys that cannot leave a token, before a real nginx: SoftHSM 2, TLS 1.2 and 1.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.tokens import PIN, PublicOnly, SoftToken, identity, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.server import Server

BOTH = ["TLSv1_2", "TLSv1_3"]
KINDS = {
    "rsa": ["RSA 2048", "RSA-PSS", 2],
    "p256": ["EC P-256", "ECDSA", 2],
    "p384": ["EC P-384", "ECDSA", 2],
}


@pytest.fixture
def place(tmp_path: Path) -> SoftToken:
    """Return a new token without a key."""
    return SoftToken(tmp_path / "hsm")


def ask(
    place: SoftToken, nginx: Server, tmp_path: Path, names: str | None = None, **asked: Any
) -> dict[str, Any]:
    """Open the token as the profile `corp` has it, and return what happened."""
    config = tmp_path / "config.toml"
    config.write_text(f"[profiles.corp]\n{names or named(place)}\n")
    request = {"pins": [PIN], "port": nginx.port, "ca": str(nginx.root / "server-ca.pem"), **asked}
    return run(request, {**place.environ, "MTLS_RUN_CONFIG": str(config)})


def named(place: SoftToken, rest: str = "object=alice") -> str:
    """Return the line of a profile that names the identity in the token."""
    return f'client-cert = "{place.uri(rest)}"'


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_in_a_token_is_admitted(
    kind: str, place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The server verifies the client by TLS 1.2 and 1.3; the chain comes from the token."""
    identity(place, nginx.issuer, kind)
    done = ask(place, nginx, tmp_path, versions=BOTH)
    assert done["answers"] == ["204", "204"], done
    assert done["opened"] == KINDS[kind]
    assert (done["needs_pin"], done["leaf"], done["errors"]) == (True, True, [])


def test_a_certificate_from_a_file_goes_with_a_key_in_a_token(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The token holds the key alone; certificate and chain are in a PEM file."""
    issued = identity(place, nginx.issuer, "p256")
    place.tool("--login", "--pin", PIN, "--delete-object", "--type", "cert", "--id", "01")
    (tmp_path / "alice.pem").write_bytes(issued.cert_pem + issued.chain_pem)
    names = f'client-cert = "alice.pem"\nclient-key = "{place.uri()}"'
    done = ask(place, nginx, tmp_path, names, versions=BOTH)
    assert done["answers"] == ["204", "204"], done


def test_a_certificate_of_another_key_is_refused(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """Key and certificate are checked against each other before any server sees them."""
    identity(place, nginx.issuer, "p256")
    (tmp_path / "alice.pem").write_bytes(nginx.issuer.issue("other").cert_pem)
    names = f'client-cert = "alice.pem"\nclient-key = "{place.uri()}"'
    done = ask(place, nginx, tmp_path, names)
    assert [error["code"] for error in done["errors"]] == ["identity-key-mismatch"], done


def test_many_connections_sign_at_once(place: SoftToken, nginx: Server, tmp_path: Path) -> None:
    """One session serves every thread."""
    identity(place, nginx.issuer, "rsa")
    done = ask(place, nginx, tmp_path, versions=["TLSv1_3"], threads=20)
    assert done["answers"] == ["204"] * 21, done


def test_a_pulled_token_fails_the_handshake_and_says_so(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The reason is kept beside the handshake, whose own error is no more than `EVP lib`."""
    identity(place, nginx.issuer, "p256")
    done = ask(place, nginx, tmp_path, versions=["TLSv1_3"], pull=str(place.folder / "tokens"))
    assert done["answers"][0] == "204"
    assert done["answers"][1].startswith("SSLError: the token Lab does not sign: the token was re")


def test_a_wrong_pin_is_tried_once(place: SoftToken, nginx: Server, tmp_path: Path) -> None:
    """After a refusal the token is asked no more, not even with the right PIN."""
    identity(place, nginx.issuer, "p256")
    done = ask(place, nginx, tmp_path, pins=["0000", PIN, PIN])
    first = done["errors"][0]
    assert done["errors"] == [first] * 3
    assert first["code"] == "passphrase-wrong"
    assert first["fact"].startswith("the token Lab refuses the PIN; it was tried once: ")
    assert "mtls-run passphrase set corp" in first["hint"]
    assert "mtls-run passphrase forget corp" in first["hint"]


def test_an_expired_certificate_costs_no_try(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The certificate is checked before the PIN is given."""
    identity(place, nginx.issuer, "p256", days=-0.5)
    done = ask(place, nginx, tmp_path, pins=["0000"])
    assert [error["code"] for error in done["errors"]] == ["identity-expired"], done


def test_two_certificates_of_one_label_are_told_apart_by_id(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The error lists both with URIs to paste; each of these URIs works."""
    identity(place, nginx.issuer, "p256")
    public = place.make_key("p256", number="02")
    second = nginx.issuer.issue("alice two", key=cast("Any", PublicOnly(public)))
    place.put(second.certificate, number="02")
    (error,) = ask(place, nginx, tmp_path)["errors"]
    assert error["code"] == "identity-ambiguous"
    assert "CN=alice two" in error["fact"]
    for number in ("01", "02"):
        assert f"object=alice;id=%{number}?module-path=" in error["fact"]
        names = named(place, f"object=alice;id=%{number}")
        assert ask(place, nginx, tmp_path, names, versions=["TLSv1_3"])["answers"] == ["204"]


def test_two_tokens_of_one_label_are_told_apart_by_serial(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """The error lists both tokens with their serials."""
    place.add_token("Lab")
    (error,) = ask(place, nginx, tmp_path)["errors"]
    assert error["code"] == "identity-ambiguous"
    assert error["fact"].count("pkcs11:token=Lab;serial=") == 2


@pytest.mark.parametrize(
    ("names", "code", "fact"),
    [
        (
            "pkcs11:token=Other?module-path={module}",
            "token-missing",
            "has pkcs11:token=Lab;serial=",
        ),
        ("pkcs11:token=Lab?module-path=/none.so", "token-missing", "cannot load the PKCS#11 mod"),
        ("pkcs11:token=Lab?module-path=/etc/passwd", "token-missing", "cannot load the PKCS#11"),
        ("pkcs11:token=Lab?module-path={libc}", "token-missing", "cannot load the PKCS#11 mod"),
        ("{uri}", "identity-no-certificate", "no client certificate fits"),
    ],
)
def test_what_is_not_there_is_said(
    names: str, code: str, fact: str, place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """A missing token, module or object is one error, which names what is there."""
    libc = "/lib/x86_64-linux-gnu/libm.so.6"
    uri = names.format(module=place.module, libc=libc, uri=place.uri())
    done = ask(place, nginx, tmp_path, f'client-cert = "{uri}"')
    assert [error["code"] for error in done["errors"]] == [code], done
    assert fact in done["errors"][0]["fact"]


def test_a_module_that_others_can_write_is_not_loaded(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """A module is code."""
    module = tmp_path / "module.so"
    module.write_bytes(place.module.read_bytes())
    module.chmod(0o777)
    done = ask(place, nginx, tmp_path, f'client-cert = "pkcs11:token=Lab?module-path={module}"')
    assert "every user can write" in done["errors"][0]["fact"]


def test_a_token_without_pss_signs_by_tls_1_2(nginx: Server, tmp_path: Path) -> None:
    """TLS 1.3 has no other RSA signature, so it is left out, or refused where it alone is left."""
    place = SoftToken(
        tmp_path / "hsm", more="slots.mechanisms = CKM_RSA_PKCS,CKM_RSA_PKCS_KEY_PAIR_GEN"
    )
    identity(place, nginx.issuer, "rsa")
    done = ask(place, nginx, tmp_path, versions=["any", "TLSv1_2", "TLSv1_3"])
    assert done["opened"][1] == "RSA PKCS#1 v1.5, so TLS 1.2 alone"
    assert done["answers"][:2] == ["204 TLSv1.2", "204"], done
    assert done["answers"][2].startswith("the token cannot sign by RSA-PSS, which TLS 1.3 needs")


def test_the_token_says_how_many_tries_are_left(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """SoftHSM sets CKF_USER_PIN_COUNT_LOW after a wrong PIN, and the error repeats it."""
    identity(place, nginx.issuer, "p256")
    (error,) = ask(place, nginx, tmp_path, pins=["0000"])["errors"]
    assert "a wrong PIN was tried before" in error["fact"]


def test_a_key_that_wants_its_pin_for_each_signature(
    place: SoftToken, nginx: Server, tmp_path: Path
) -> None:
    """CKA_ALWAYS_AUTHENTICATE, as on the signature key of a smart card."""
    identity(place, nginx.issuer, "p256", always=True)
    done = ask(place, nginx, tmp_path, versions=BOTH)
    assert done["answers"] == ["204", "204"], done
