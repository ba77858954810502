"""URIs of keys in tokens (RFC 7512): what is taken, and what is refused with a reason."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.config import layers, readers, schema
from mtls_run.config.origin import Origin
from mtls_run.errors import ConfigurationError
from mtls_run.identity.pkcs11_uri import Pkcs11Uri, UriError, parse
from tests.unit.support import SAID

if TYPE_CHECKING:
    from pathlib import Path

    from mtls_run.config.profile import Profile

TEXT = st.text(st.characters(blacklist_characters="\0", codec="utf-8"))
URIS = st.builds(
    Pkcs11Uri,
    token=st.none() | TEXT,
    object=st.none() | TEXT,
    id=st.none() | st.binary(min_size=1),
    serial=st.none() | TEXT,
    manufacturer=st.none() | TEXT,
    model=st.none() | TEXT,
    slot_id=st.none() | st.integers(0, 2**64 - 1),
    type=st.none() | st.sampled_from(["cert", "private"]),
    module_path=st.none() | TEXT.map(lambda text: f"/{text}"),
)


@given(URIS)
def test_every_uri_is_read_as_it_was_written(uri: Pkcs11Uri) -> None:
    """Each value comes back, whatever characters it has; the text is one word in ASCII."""
    text = str(uri)
    assert parse(text) == uri
    assert text.isascii()
    assert text.split() == [text]


@given(st.text().map(lambda text: f"pkcs11:{text}"))
def test_no_text_ends_in_anything_but_an_answer(text: str) -> None:
    """A URI is taken, and then has one spelling, or it is refused with a reason and a hint."""
    with contextlib.suppress(UriError):
        uri = parse(text)
        assert parse(str(uri)) == uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("pkcs11:", Pkcs11Uri()),
        ("PKCS11:token=Lab", Pkcs11Uri(token="Lab")),
        ("pkcs11:token=My%20Token;object=a%3Bb", Pkcs11Uri(token="My Token", object="a;b")),
        ("pkcs11:id=%00%ff%41;type=cert", Pkcs11Uri(id=b"\0\xffA", type="cert")),
        ("pkcs11:id=A1", Pkcs11Uri(id=b"A1")),
        ("pkcs11:token=Ü", Pkcs11Uri(token="Ü")),
        ("pkcs11:token=100%25", Pkcs11Uri(token="100%")),
        (
            "pkcs11:slot-id=327?module-path=/usr/lib/x-y/m.so",
            Pkcs11Uri(slot_id=327, module_path="/usr/lib/x-y/m.so"),
        ),
        ("pkcs11:?module-path=/a%26b", Pkcs11Uri(module_path="/a&b")),
        ("pkcs11:?module-path=C:/p/opensc.dll", Pkcs11Uri(module_path="C:/p/opensc.dll")),
    ],
)
def test_what_is_taken(text: str, uri: Pkcs11Uri) -> None:
    """The examples of RFC 7512, and what people write."""
    assert parse(text) == uri


@pytest.mark.parametrize(
    ("text", "fact", "hint"),
    [
        ("pkcs11:tokn=Lab", "unknown attribute `tokn`", "did you mean `token`?"),
        ("pkcs11:x=y", "unknown attribute `x`", "known: token,"),
        ("pkcs11:token=a;token=b", "`token` twice", "keep one"),
        ("pkcs11:token", "`token` of the URI has no value", "token=…"),
        ("pkcs11:token=a b", "`token` in the URI has a character", "%20"),
        ("pkcs11:token=100%", "`token` in the URI has a character", "%25"),
        ("pkcs11:token=%ff", "`token` of the URI is not UTF-8", "UTF-8"),
        ("pkcs11:token=\udcff", "`token` of the URI is not UTF-8", "UTF-8"),
        ("pkcs11:token=%00", "`token` of the URI has a zero byte", "leave"),
        ("pkcs11:slot-id=one", "`slot-id` of the URI is not a number", "slot-id=0"),
        ("pkcs11:id=", "`id` of the URI is empty", "%XX"),
        ("pkcs11:type=data", "`type` of the URI is neither cert nor private", "leave"),
        ("pkcs11:token=a?module-path=lib.so", "is not an absolute path", "/usr/lib"),
        ("pkcs11:module-path=/a.so", "in the wrong part", "after `?`"),
        ("pkcs11:?token=a", "in the wrong part", "before `?`"),
        ("pkcs11:?module-name=opensc", "does not take `module-name`", "module-path"),
        ("pkcs11:slot-description=x", "does not take `slot-description`", "slot-id"),
        ("pkcs11:token=a?pin-value=SECRET", "`pin-value`", "passphrase = "),
        ("pkcs11:token=a;pin-value=SECRET", "`pin-value`", "passphrase = "),
        ("pkcs11:token=a?pin-source=file:/SECRET", "`pin-source`", "passphrase = "),
        ("pkcs11:SECRET SECRET=1", "unknown attribute `…`", "known"),
    ],
)
def test_what_is_refused(text: str, fact: str, hint: str) -> None:
    """Each mistake has a reason and a hint, and no PIN is repeated."""
    with pytest.raises(UriError) as caught:
        parse(text)
    assert fact in caught.value.fact
    assert hint in caught.value.hint
    assert "SECRET" not in caught.value.fact + caught.value.hint


def profile(folder: Path, text: str) -> Profile:
    """Return the profile corp with these lines."""
    file = folder / "config.toml"
    file.write_text(f"[profiles.corp]\n{text}\n")
    return layers.load({"MTLS_RUN_CONFIG": str(file)}, folder / "none").profile("corp", SAID)


def test_a_profile_names_a_key_in_a_token(tmp_path: Path) -> None:
    """A URI is no path: it is not laid below the directory of the file that names it."""
    found = profile(tmp_path, 'client-cert = "pkcs11:token=Lab;object=alice"')
    assert found.client_cert is not None
    assert found.client_cert.value == Pkcs11Uri(token="Lab", object="alice")
    beside = profile(tmp_path, 'client-cert = "a.pem"\nclient-key = "pkcs11:token=Lab"')
    assert beside.client_cert is not None
    assert beside.client_cert.value == tmp_path / "a.pem"


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ('client-cert = "pkcs11:tokn=Lab"', "config.toml:2: `client-cert`: unknown attribute"),
        (
            'client-cert = "pkcs11:token=Lab"\nclient-key = "a.key"',
            "config.toml:3: `client-key` is a file, and the certificate is in a token",
        ),
    ],
)
def test_a_mistake_has_file_and_line(text: str, fact: str, tmp_path: Path) -> None:
    """The error says where the URI is."""
    with pytest.raises(ConfigurationError, match=fact):
        profile(tmp_path, text)


def test_the_keys_of_other_paths_take_no_token(tmp_path: Path) -> None:
    """A CA certificate is a file."""
    place = readers.Place("ca-cert", Origin("x"), tmp_path)
    with pytest.raises(ConfigurationError, match="is a URI, and it takes a path"):
        schema.PROFILE_KEYS["ca-cert"]("pkcs11:x", place)
