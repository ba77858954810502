"""What each tool makes of odd certificates, from plain facts and from chains."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtls_run.errors import ToolError
from mtls_run.identity import chain, oddities
from mtls_run.identity.kind import (
    ANY_PURPOSE,
    CRITICAL,
    DIGEST,
    EXPLICIT_CURVE,
    PSS_KEY,
    SHORT_RSA,
    Oddity,
)
from mtls_run.roots import certificates
from mtls_run.tools import pip_probe, uv_tls
from mtls_run.tools.base import Target, ToolCall
from mtls_run.tools.uv import TOOL as UV
from mtls_run.tools.uv import WEBPKI_EXTENSIONS
from tests.e2e.verdicts import shapes
from tests.e2e.verdicts.servers import POLICIES, UNKNOWN
from tests.e2e.verdicts.shapes import Made, Shape

POLICY = "2.5.29.32"
TOP = shapes.root("Top")


def uv(version: tuple[int, ...]) -> Target:
    """Return a uv of this version."""
    return Target(UV, ToolCall(kind="uv", prefix=("uv",), arguments=("sync",)), "/uv", version)


def nothing() -> bytes:
    """Stand for certificates that nobody reads."""
    raise AssertionError


@pytest.mark.parametrize(
    ("version", "kind", "value", "position", "code"),
    [
        ((0, 13, 9), PSS_KEY, "", 0, "identity-key-kind"),
        ((0, 2, 11), EXPLICIT_CURVE, "", 0, "identity-key-kind"),
        ((0, 8, 3), CRITICAL, POLICY, 0, None),
        ((0, 8, 4), CRITICAL, POLICY, 0, "identity-extension"),
        ((0, 13, 9), CRITICAL, POLICY, 1, None),
        ((0, 13, 9), CRITICAL, WEBPKI_EXTENSIONS[0], 0, None),
        ((0, 13, 9), DIGEST, "SHA-1", 0, None),
        ((0, 13, 9), SHORT_RSA, "1024", 1, None),
    ],
)
def test_uv_and_an_odd_identity(
    version: tuple[int, ...], kind: str, value: str, position: int, code: str | None
) -> None:
    """A uv refuses only what its rustls cannot use in the leaf."""
    odd = [Oddity(kind, value, position, "CN=alice")]
    if code is None:
        UV.check_certificates(uv(version), odd, nothing, {})
        return
    with pytest.raises(ToolError, match="CN=alice") as raised:
        UV.check_certificates(uv(version), odd, nothing, {})
    assert raised.value.code == code


def kinds(made: Made) -> list[tuple[str, str, int]]:
    """Return what is odd in an identity."""
    found = oddities.find((made.certificate, *made.above))
    return [(one.kind, one.value, one.position) for one in found]


def test_oddities() -> None:
    """An ordinary identity has none; each odd certificate of the chain is found."""
    every = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    weak = shapes.below(TOP, "weak", Shape("RSA-1024"))
    old = Shape(old_digest="sha1", extensions={x509.ExtendedKeyUsage: (every, False)})
    assert kinds(shapes.leaf(shapes.below(TOP, "CA"), "alice", client=True)) == []
    assert kinds(shapes.leaf(weak, "alice", old, client=True)) == [
        (DIGEST, "SHA-1", 0),
        (ANY_PURPOSE, "", 0),
        (SHORT_RSA, "1024", 1),
    ]
    assert kinds(shapes.leaf(TOP, "alice", Shape(extensions=POLICIES), client=True)) == [
        (CRITICAL, POLICY, 0)
    ]


def test_intermediate_of_an_old_signature() -> None:
    """The chain is whole also where cryptography cannot verify the signature."""
    issuer = shapes.below(TOP, "CA", Shape("RSA-2048"))
    leaf = shapes.leaf(issuer, "alice", Shape(old_digest="sha1"), client=True)
    above = chain.intermediates(leaf.certificate, [leaf.certificate, issuer.certificate])
    assert above == [issuer.certificate]


@pytest.mark.parametrize(
    ("shape", "version", "expected"),
    [
        (Shape(), (0, 2, 11), None),
        (Shape(extensions=POLICIES), (0, 13, 9), f"critical extension {POLICY}"),
        (Shape("P-521"), (0, 10, 0), "EC P-521 and SHA256"),
        (Shape("P-521"), (0, 11, 0), None),
        (Shape("Ed448"), (0, 13, 9), "Ed448"),
        (Shape("RSA-1024"), (0, 13, 9), "RSA 1024"),
    ],
)
def test_uv_and_an_odd_ca(shape: Shape, version: tuple[int, ...], expected: str | None) -> None:
    """What webpki does not take is named; what it takes is not."""
    made = shapes.leaf(shapes.below(TOP, "CA", shape), "server")
    found = uv_tls.objection(version, (made.certificate, *made.above), [TOP.certificate])
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert expected in found.fact


def test_an_intermediate_is_a_root_to_webpki() -> None:
    """The chain ends at the first certificate that is among the roots."""
    issuer = shapes.below(TOP, "CA")
    made = shapes.leaf(issuer, "server")
    presented = (made.certificate, *made.above)
    assert uv_tls.path(presented, [issuer.certificate]) == (
        [made.certificate],
        issuer.certificate,
    )
    assert uv_tls.path(presented, [shapes.root("Other").certificate]) is None


def test_roots_that_a_uv_panics_on() -> None:
    """A uv of 0.11.0 to 0.11.5 gets no root with a critical extension that webpki lacks."""
    strange = shapes.root("Strange", Shape(extensions=UNKNOWN))
    assert UV.known_extensions((0, 10, 9)) is None
    assert UV.known_extensions((0, 11, 6)) is None
    known = UV.known_extensions((0, 11, 2))
    assert known is not None
    ders = [chain.der(one.certificate) for one in (TOP, strange)]
    fine, others = certificates.with_known_extensions(ders, known)
    assert fine == ders[:1]
    assert [name.partition(" ")[0] for name in others] == ["CN=Strange"]


def test_probe_is_for_old_pythons() -> None:
    """The script that pip's interpreter runs is in the grammar of Python 3.6."""
    ast.parse(Path(pip_probe.__file__).read_text(), feature_version=(3, 6))
