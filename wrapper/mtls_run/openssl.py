"""OpenSSL as Python itself is built with it: what pip will do, done in memory before that.

`ssl` would be the way, but its import is a start of Python and a half by itself, for the sake of
sockets and of names for constants; cryptography's `x509` is five. This is the C module below
`ssl`. Where it is missing, or is not as it is known, there is no answer, and whoever asked goes
the longer way.
"""

from __future__ import annotations

import os

from .errors import HandoffError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# OpenSSL's X509_V_FLAG_PARTIAL_CHAIN: the anchor need not be a root.
_PARTIAL_CHAIN = 0x80000
# A handshake is four flights.
_FLIGHTS = 8
# SSLError is an OSError.
_NO_ANSWER = (ImportError, AttributeError, TypeError, ValueError, OSError, HandoffError)


def serves(pem: bytes, anchor: bytes) -> bool:
    """Tell whether a client with this PEM gets into a server that trusts the certificate `anchor`.

    `pem` is a leaf, its chain, and the unencrypted key; both ends of a handshake in memory have it.
    So the key signs what the certificate verifies, each certificate is signed by the next one and
    is valid now, and the leaf admits client authentication. No is no more than that: what is
    wrong, if anything is, is for others to tell.
    """
    try:
        return _is_led_through(*_ends(pem, anchor))
    except _NO_ANSWER:
        return False


def _context(protocol: int) -> Any:  # noqa: ANN401 - its types are not written down in full
    import _ssl  # noqa: PLC0415 - see above

    return _ssl._SSLContext(protocol)  # noqa: SLF001 - see above


def _ends(pem: bytes, anchor: bytes) -> tuple[Any, Any]:
    """Return a client and a server, connected."""
    import _ssl  # noqa: PLC0415 - see above

    from .handoff import memfd  # noqa: PLC0415 - OpenSSL reads a key with its chain from a file alone

    server, client = _context(_ssl.PROTOCOL_TLS_SERVER), _context(_ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = _ssl.CERT_NONE
    server.verify_mode = _ssl.CERT_REQUIRED
    server.verify_flags |= _PARTIAL_CHAIN
    server.load_verify_locations(cadata=anchor)
    path = memfd.hold(pem, memfd.IDENTITY)
    try:
        for end in (server, client):
            end.load_cert_chain(path, None, bytes)  # no passphrase, and nobody is asked for one
    finally:
        os.close(int(os.path.basename(path)))  # noqa: PTH119 - pathlib is slow to import
    to_server, to_client = _ssl.MemoryBIO(), _ssl.MemoryBIO()
    return (
        client._wrap_bio(to_client, to_server, False, None),  # noqa: SLF001
        server._wrap_bio(to_server, to_client, True, None),  # noqa: SLF001
    )


def _is_led_through(*ends: Any) -> bool:  # noqa: ANN401
    """Tell whether the handshake between these two comes to its end."""
    import _ssl  # noqa: PLC0415 - see above

    left = list(ends)
    for _ in range(_FLIGHTS):
        for end in tuple(left):
            try:
                end.do_handshake()
            except _ssl.SSLWantReadError:
                continue
            left.remove(end)
    return not left
