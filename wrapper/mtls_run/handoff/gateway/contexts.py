"""TLS contexts of the standard library, and a key from memory for them.

`SSLContext.load_cert_chain` reads files alone. On Linux that is an anonymous file, which is closed
at once. Elsewhere it is a private file, removed at once, whose key is encrypted under a passphrase
that only this process has.
"""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from mtls_run.errors import HandoffError

if TYPE_CHECKING:
    from typing import Callable, Optional

    from mtls_run.secret import Secret

    OnName = Callable[[ssl.SSLObject, Optional[str], ssl.SSLContext], Optional[int]]

ALPN = ["http/1.1"]
# X509_V_FLAG_PARTIAL_CHAIN of OpenSSL, which Python 3.9 has no name for.
_PARTIAL_CHAIN = 0x80000
# SSL_OP_IGNORE_UNEXPECTED_EOF of OpenSSL 3, which Python 3.9 and 3.10 set: a body that ends with
# the connection would look whole where it was cut off.
_IGNORE_UNEXPECTED_EOF = 0x80


def for_server(roots: bytes | None) -> ssl.SSLContext:
    """Return a context to connect to a server, which these roots (PEM) verify, by name too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~_IGNORE_UNEXPECTED_EOF
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Each certificate of a profile's roots is trusted as it stands: uv's verifier knows no other.
    context.verify_flags |= _PARTIAL_CHAIN
    if roots is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))
    return context


def for_tool(identity: Secret, on_name: OnName) -> ssl.SSLContext:
    """Return a context to answer the tool with this certificate and key.

    `on_name` is asked about the name in the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(ALPN)
    context.sni_callback = on_name
    load_pem(context, identity)
    return context


def load_pem(context: ssl.SSLContext, identity: Secret) -> None:
    """Load certificates and their unencrypted key from one PEM; raises HandoffError."""
    try:
        descriptor = _anonymous_file()
        if descriptor is None:
            load_by_file(context, identity)
        else:
            _load_by_descriptor(context, identity, descriptor)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unreadable"
        raise HandoffError(
            f"the gateway cannot load the identity: {reason}",
            hint="mtls-run doctor",
        ) from None


def _anonymous_file() -> int | None:
    if not hasattr(os, "memfd_create"):
        return None
    try:
        return os.memfd_create("mtls-run-identity", os.MFD_CLOEXEC)
    except OSError:  # refused by a sandbox, or by vm.memfd_noexec
        return None


def _load_by_descriptor(context: ssl.SSLContext, identity: Secret, descriptor: int) -> None:
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(identity.reveal())
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")


def load_by_file(context: ssl.SSLContext, identity: Secret) -> None:
    """Load the identity by a private file whose key is encrypted; raises OSError, ValueError."""
    passphrase = secrets.token_hex(32)
    pem = identity.reveal()
    key = serialization.load_pem_private_key(pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    begin = pem.index(b"-----BEGIN CERTIFICATE-----")
    end_mark = b"-----END CERTIFICATE-----"
    end = pem.rindex(end_mark) + len(end_mark)
    if b"PRIVATE KEY" in pem[begin:end]:
        raise ValueError("the key stands between the certificates")
    with tempfile.TemporaryDirectory(prefix="mtls-run-") as folder:
        path = os.path.join(folder, "identity.pem")
        with open(path, "xb") as file:
            file.write(encrypted + pem[begin:end] + b"\n")
        context.load_cert_chain(path, password=passphrase)
