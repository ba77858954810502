"""Every tool gets the variables of all: what contradicts is replaced, or unset, never blanked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run.cache.launches import Launch
from mtls_run.tools import registry
from mtls_run.tools.base import TlsFiles

OTHER_BUNDLES = (
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT"),
    *("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "CARGO_HTTP_CAINFO"),
)
BUNDLE = ("SSL_CERT_FILE", *OTHER_BUNDLES)
IDENTITY = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT")
NATIVE = ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
ALL = (*BUNDLE, *IDENTITY, *NATIVE, "SSL_CERT_DIR")
AMBIENT = dict.fromkeys(ALL, "/ambient")


def result(tls: TlsFiles, **ambient: str) -> dict[str, str]:
    """Return what the tool sees of these variables, in an environment that has all of them."""
    return applied(tls, {**AMBIENT, "KEPT": "1", **ambient})


def applied(tls: TlsFiles, environ: dict[str, str]) -> dict[str, str]:
    """Return the environment of any tool that is started from this one, without git's settings."""
    found = Launch((), registry.shared_variables(tls, environ)).environ(environ, None)
    return {name: value for name, value in found.items() if not name.startswith("GIT_CONFIG_")}


def test_bundle_and_identity() -> None:
    """A bundle and an identity stand in every variable that a tool reads; the rest is unset."""
    seen = result(TlsFiles(identity="/id", bundle="/ca", native=False))
    assert seen == {**dict.fromkeys(BUNDLE, "/ca"), **dict.fromkeys(IDENTITY, "/id"), "KEPT": "1"}


def test_native_with_a_file() -> None:
    """The system's store is uv's native-tls setting by both names, and a file for the others."""
    seen = result(TlsFiles(identity=None, bundle="/etc/ca", native=True))
    expected = dict.fromkeys(OTHER_BUNDLES, "/etc/ca")
    assert seen == {**expected, **dict.fromkeys(NATIVE, "true"), "KEPT": "1"}


def test_native_without_a_file() -> None:
    """Where the system verifies by itself, no file is named to anybody."""
    seen = result(TlsFiles(identity="/id", bundle=None, native=True))
    assert seen == {**dict.fromkeys(IDENTITY, "/id"), **dict.fromkeys(NATIVE, "true"), "KEPT": "1"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("truststore", None),
        ("fast-deps truststore", "fast-deps"),
        ("truststore fast-deps", "fast-deps"),
        ("fast-deps", "fast-deps"),
    ],
)
def test_truststore_feature(before: str, after: str | None) -> None:
    """Pip 22.2 to 24.1 would add the system's roots on `truststore`; other features stay."""
    seen = result(TlsFiles(identity=None, bundle="/ca", native=False), PIP_USE_FEATURE=before)
    assert seen.get("PIP_USE_FEATURE") == after


@given(
    environ=st.dictionaries(
        st.sampled_from([*ALL, "KEPT", "PIP_USE_FEATURE"]), st.text(max_size=5)
    ),
    identity=st.sampled_from([None, "/id"]),
    bundle=st.sampled_from([None, "/ca"]),
    native=st.booleans(),
)
def test_nothing_of_the_environment_is_left(
    environ: dict[str, str], identity: str | None, bundle: str | None, native: bool
) -> None:
    """Whatever was set before, the result is the same, and nothing of ours is set empty."""
    tls = TlsFiles(identity=identity, bundle=bundle, native=native)
    seen, clean = applied(tls, environ), applied(tls, {})
    assert {name: value for name, value in seen.items() if name in ALL} == clean
    assert all(clean.values())
    assert seen.get("KEPT") == environ.get("KEPT")
