"""The variables that every tool and every command gets, so that what they start works as well.

`uv run tox`, or a build backend that calls the other tool, means the same profile. What the
environment said before is replaced, or unset where it would contradict; nothing is set empty,
since an empty SSL_CLIENT_CERT is a warning to uv, and an empty PIP_CERT unsets nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.tools.tls_files import TlsFiles

# Requests reads the first two in this order, and lets them beat pip's --cert (pip #10147).
_BUNDLE = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
_IDENTITY = ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT")
# uv 0.1.19 to 0.10 know the one, 0.11 on the other; with both set, none warns. `true`, because
# uv 0.1.19 rejects `1`.
_NATIVE = ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS")


def for_all(trust: TlsFiles, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the variables to set, and with None those to unset, for these paths."""
    changes: dict[str, str | None] = dict.fromkeys(_BUNDLE, trust.bundle)
    # SSL_CERT_FILE would replace uv's native roots, and on macOS and Windows OpenSSL's alone.
    changes["SSL_CERT_FILE"] = None if trust.native else trust.bundle
    changes["SSL_CERT_DIR"] = None  # it adds to SSL_CERT_FILE
    changes.update(dict.fromkeys(_IDENTITY, trust.identity))
    changes.update(dict.fromkeys(_NATIVE, "true" if trust.native else None))
    # pip 22.2 to 24.1 would add the system's roots on `truststore`; from 24.2 on it means nothing.
    features = environ.get("PIP_USE_FEATURE", "").split()
    if "truststore" in features:
        features.remove("truststore")
        changes["PIP_USE_FEATURE"] = " ".join(features) or None
    return changes


def set_for_uv(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variables to leave as they are where what is set for uv already wins."""
    roots = ("SSL_CERT_FILE", "SSL_CERT_DIR", *_NATIVE)
    kept = roots if any(environ.get(name) for name in roots) else ()
    return (*kept, "SSL_CLIENT_CERT") if environ.get("SSL_CLIENT_CERT") else kept


def apply(environ: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the environment with the changes made: every contradiction goes, then all is set."""
    result = {name: value for name, value in environ.items() if name not in changes}
    result.update({name: value for name, value in changes.items() if value is not None})
    return result
