"""Hostnames in certificates, names of authorities, and kinds of index pages."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from mtls_run.doctor.authorities import calls_itself_root, is_related, listed
from mtls_run.doctor.index_request import kind_of
from mtls_run.net.certificates import (
    DistinguishedName,
    TrustStore,
    is_issued_for,
    of_components,
    of_name,
)
from tests.pki import Authority

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ROOT = Authority.create("Acme Root CA")


@functools.cache
def issued(*hosts: str) -> Certificate:
    """Return a server's certificate for these names."""
    return ROOT.issue("index.example", server=True, hosts=hosts).certificate


@pytest.mark.parametrize(
    ("host", "hosts", "expected"),
    [
        ("index.example", ("index.example",), True),
        ("INDEX.example", ("index.Example",), True),
        ("index.example.", ("index.example",), True),
        ("other.example", ("index.example",), False),
        ("a.corp.example", ("*.corp.example",), True),
        ("corp.example", ("*.corp.example",), False),
        ("a.b.corp.example", ("*.corp.example",), False),
        ("a.example", ("*.example",), False),
        ("a.corp.example", ("a*.corp.example",), False),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("::1", ("::1",), True),
        ("127.0.0.1", ("localhost",), False),
        ("127.0.0.2", ("127.0.0.1",), False),
    ],
)
def test_is_issued_for(host: str, hosts: tuple[str, ...], expected: bool) -> None:
    """A host matches a name of the certificate, a whole `*` for its first label, or an address."""
    assert is_issued_for(issued(*hosts), host) is expected


def test_common_name_does_not_count() -> None:
    """A certificate without alternative names matches no host."""
    alone = ROOT.issue("index.example").certificate
    assert not is_issued_for(alone, "index.example")


def test_roots_pass_over_what_is_none() -> None:
    """A root that cannot be parsed is passed over."""
    roots = TrustStore([b"noise", ROOT.der])
    assert roots.names == (of_name(ROOT.certificate.subject),)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Acme Issuing CA", "Acme Root", True),
        ("Acme Issuing CA", "Beta Root", False),
        ("Issuing CA 1", "Root CA 1", False),
        ("acme-sub-ca-g2", "ACME Global Root", True),
    ],
)
def test_akin(one: str, other: str, expected: bool) -> None:
    """Two authorities are related if they share a word that is not common to most."""
    first, second = (of_name(Authority.create(name).certificate.subject) for name in (one, other))
    assert is_related(first, [second]) is expected


def test_components() -> None:
    """A name from OpenSSL equals the same name from a certificate, and has the same text."""
    name = ROOT.certificate.subject
    found = of_components(name.public_bytes(), [(b"CN", b"Acme Root CA")])
    assert found == of_name(name)
    assert calls_itself_root(found)


def test_listed() -> None:
    """Of many names, a few are shown, with the number of the rest."""
    many = [DistinguishedName(b"", f"CN={number}") for number in range(5)]
    assert listed(many) == "CN=0; CN=1; CN=2 and 2 more"
    assert listed(many[:1]) == "CN=0"


@pytest.mark.parametrize(
    ("media", "text", "expected"),
    [
        ("text/html", '<a href="x/">x</a>', "PEP 503 HTML"),
        ("application/vnd.pypi.simple.v1+html", "<A HREF='x/'>x</A>", "PEP 503 HTML"),
        ("text/html", "", None),
        ("text/html", '<form><a href="x">forgot?</a></form>', None),
        ("text/html", "<a name=x>", None),
        ("text/plain", '<a href="x/">x</a>', None),
        ("application/vnd.pypi.simple.v1+json", '{"projects": []}', "PEP 691 JSON"),
        ("application/vnd.pypi.simple.v1+json", '{"name": "x", "files": []}', "PEP 691 JSON"),
        ("application/json", '{"projects": [{"na', "PEP 691 JSON"),
        ("application/json", '{"status": "fine"}', None),
        ("application/json", "[" * 100000, None),
        ("", "", None),
    ],
)
def test_kind_of_page(media: str, text: str, expected: str | None) -> None:
    """An index page is recognised by its media type and its content."""
    assert kind_of(media, text) == expected
