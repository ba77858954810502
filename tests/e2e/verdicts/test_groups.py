"""Servers that take some groups of the key exchange alone, by the OpenSSL of cryptography."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from mtls_run.doctor.indexes import Index
from mtls_run.doctor.probe import Setup, probe
from mtls_run.doctor.tool_verdicts import Tools
from mtls_run.net.certificates import TrustStore
from mtls_run.tools.base import Target, ToolCall
from mtls_run.tools.uv import TOOL as UV
from tests.e2e.verdicts import shapes
from tests.e2e.verdicts.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.verdicts.shapes import Made

pytestmark = pytest.mark.e2e

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<a/>"
TOP = shapes.root("Groups")


@contextlib.contextmanager
def serving(made: Made, group: ec.EllipticCurve | None) -> Iterator[int]:
    """Answer each request with a page; take this group alone, or all that OpenSSL has."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(made.certificate)
    context.use_privatekey(made.key)
    if group is not None:
        context.set_tmp_ecdh(group)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                with contextlib.suppress(SSL.Error):
                    try:
                        accepted, _ = listener.accept()
                    except OSError:
                        return
                    with accepted:
                        connection = SSL.Connection(context, accepted)
                        connection.set_accept_state()
                        connection.recv(4096)
                        connection.sendall(PAGE)
                        connection.shutdown()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.mark.parametrize(
    ("key", "group", "version", "works"),
    [
        ("P-256", None, (0, 2, 11), True),
        ("P-256", ec.SECP384R1(), (0, 2, 11), True),
        ("RSA-2048", ec.SECP521R1(), (0, 2, 11), False),
        ("RSA-2048", ec.SECP521R1(), (0, 13, 9), False),
        ("P-521", ec.SECP521R1(), (0, 13, 9), False),
        ("P-521", None, (0, 8, 24), False),
        ("P-521", None, (0, 13, 9), True),
    ],
)
def test_groups(
    key: str, group: ec.EllipticCurve | None, version: tuple[int, ...], works: bool
) -> None:
    """A server that insists on P-521 stops uv; a P-521 certificate alone stops an old uv."""
    made = shapes.leaf(TOP, "localhost", Shape(key))
    trusted = TrustStore([TOP.certificate.public_bytes(Encoding.DER)])
    call = ToolCall(kind="uv", prefix=("uv",), arguments=("sync",))
    tools = Tools(targets=(Target(UV, call, "/uv", version),), trusted=trusted)
    with serving(made, group) as port:
        index = Index("https://localhost/", "the test", "localhost", port, asked_by=("uv",))
        seen = probe(index, Setup(trusted, None, {}, 5, tools))
    assert seen.anonymous is not None
    assert seen.anonymous.handshake.verified, seen
    (verdict,) = seen.tools
    assert (verdict.works, not verdict.fact) == (works, works), verdict
