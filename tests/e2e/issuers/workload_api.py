"""SPIFFE's Workload API on a unix socket, by grpcio: workload_api.py SOCKET SVID KEY BUNDLE.

The files hold DER: the chain, PKCS#8, the trust domain's roots. Messages are written as the
published protocol has them (SPIFFE_Workload_API.md, `workload.proto`), by no generated code: each
field here is one of bytes.
"""

from __future__ import annotations

import sys
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped] # in an environment of its own

if TYPE_CHECKING:
    from collections.abc import Iterator

SPIFFE_ID = b"spiffe://corp.example/alice"
METHOD = "FetchX509SVID"


def main(socket: str, *files: str) -> None:
    """Serve until the process is ended."""

    def fetch(request: bytes, context: Any) -> Iterator[bytes]:
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the security header is missing")
        del request  # X509SVIDRequest has no field
        svid = message(SPIFFE_ID, *(Path(file).read_bytes() for file in files))
        yield message(svid)  # of a stream: an agent sends the next one when it has renewed it

    handler = grpc.unary_stream_rpc_method_handler(fetch)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {METHOD: handler}),)
    )
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    server.wait_for_termination()


def message(*fields: bytes) -> bytes:
    """Return a protobuf message of these fields of bytes, numbered from 1."""
    return b"".join(
        varint(number << 3 | 2) + varint(len(field)) + field
        for number, field in enumerate(fields, 1)
    )


def varint(number: int) -> bytes:
    """Return the number as protobuf writes it."""
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + varint(number >> 7)


if __name__ == "__main__":
    main(*sys.argv[1:])
