"""A TLS client as pip and uv are one, with what the standard library does not show.

pyOpenSSL shows the CAs whose certificates a server accepts, the alert that refused one, and every
certificate of the chain. The client's key goes from memory to memory, without a file.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Union

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from OpenSSL import SSL, crypto

from mtls_run.net import hostname
from mtls_run.net.certificates import (
    DistinguishedName,
    TrustStore,
    all_parsed,
    is_issued_for,
    of_components,
    parsed,
)
from mtls_run.net.errors import NetworkError
from mtls_run.net.transport import CHUNK, Stream

PrivateKey = Union[
    rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey
]
# An identity is presented whatever its strength: whether a tool does is for its own TLS to say.
_ANY_STRENGTH = b"@SECLEVEL=0:"
# TLS 1.2 ciphers that both tools accept. Python's own list (3.10 and newer) adds CBC and DHE,
# which rustls lacks.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_STRONG = b"@SECLEVEL=2:"
# A TLS record begins with one of these types, then the 3 of its version (RFC 8446, section 5.1).
_RECORD_TYPES = range(0x14, 0x19)
_ALERT_READ, _ALERT_WRITTEN = 0x4004, 0x4008
PROTOCOL_VERSION_ALERT = 70
_NO_COMMON_VERSION = ("unsupported protocol", "wrong ssl version", "wrong version number")
_LONGEST_LINE = 80


class ClientIdentity(NamedTuple):
    """A client certificate, the certificates above it (nearest first), and its key.

    A key for RSA-PSS alone is a PKey: cryptography 50.0 forgets what it is for.
    """

    leaf: x509.Certificate
    intermediates: Sequence[x509.Certificate]
    key: PrivateKey | crypto.PKey


@dataclass(frozen=True)
class Problem:
    """OpenSSL's objection: its number, the depth (0 is the leaf), and the certificate."""

    number: int
    depth: int
    certificate: x509.Certificate | None


@dataclass(frozen=True)
class Handshake:
    """A handshake, as far as it came.

    `group` is that of the key exchange, as OpenSSL names it; None too with pyOpenSSL before 26.
    `asked` says whether the server asked for a client certificate, `accepted` which CAs it accepts
    one from (none listed means any). `name_matches` and `problem` are None if nothing was verified.
    """

    finished: bool
    protocol: str | None = None
    cipher: str | None = None
    asked: bool = False
    accepted: tuple[DistinguishedName, ...] = ()
    presented: tuple[x509.Certificate, ...] = ()
    chain: tuple[x509.Certificate, ...] = ()
    problem: Problem | None = None
    name_matches: bool | None = None
    error: NetworkError | None = None
    group: str | None = None

    @property
    def verified(self) -> bool:
        """Tell whether the server proved that it is the host that was asked for."""
        return self.name_matches is True and self.problem is None


def presentation_error(identity: ClientIdentity) -> str | None:
    """Return why OpenSSL, and so pip, would not present this identity, or None if it would."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    try:
        _present(context, identity)
    except SSL.Error as error:
        return _reason(error) or "OpenSSL gives no reason"
    return None


def _present(context: SSL.Context, identity: ClientIdentity) -> None:
    # A PKey is deprecated, and has no other way in but a file. pyOpenSSL before 26 takes a context
    # with a cipher list for one that is in use.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.set_cipher_list(_ANY_STRENGTH + _CIPHERS)
        context.use_certificate(identity.leaf)
        for intermediate in identity.intermediates:
            context.add_extra_chain_cert(intermediate)
        context.use_privatekey(identity.key)


class Tls:
    """A TLS client over a stream.

    Without a trust store nothing is verified, and the caller must send nothing. With an identity,
    the handshake stops before the identity is shown to a server that is not the expected one.
    """

    def __init__(
        self,
        stream: Stream,
        host: str,
        trusted: TrustStore | None,
        identity: ClientIdentity | None = None,
        curve: ec.EllipticCurve | None = None,
    ) -> None:
        """Prepare a handshake with `host`. `curve` is the only group to offer, None the usual."""
        self._stream = stream
        self._host = host
        self._strict = identity is not None
        self._verifies = trusted is not None
        self._alert_read: int | None = None
        self._alert_written: int | None = None
        self._first_bytes = b""
        self._asked = False
        self._problem: Problem | None = None
        self._leaf: x509.Certificate | None = None
        self._connection = SSL.Connection(self._context(trusted, identity, curve), None)
        self._connection.set_connect_state()
        self._connection.set_alpn_protos([b"http/1.1"])
        if not hostname.is_address(host):
            self._connection.set_tlsext_host_name(host.rstrip(".").encode("ascii"))

    def handshake(self, deadline: float) -> Handshake:
        """Return what the handshake showed, whether it finished or not."""
        failure = None
        try:
            while True:
                try:
                    self._connection.do_handshake()
                    break
                except SSL.WantReadError:
                    self._flush(deadline)
                    self._fill(deadline)
            self._flush(deadline)
        except NetworkError as error:
            failure = replace(error, step="tls")
        except SSL.Error as error:
            failure = self._network_error(error)
            with contextlib.suppress(NetworkError):
                self._flush(deadline)  # our own alert, for the server's log
        return self._result(failure)

    def send(self, data: bytes, deadline: float) -> None:
        """Send all the data; raises NetworkError."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise self._network_error(error) from None
        self._flush(deadline)

    def receive(self, size: int, deadline: float) -> bytes:
        """Return up to `size` bytes, none at the end of the stream; raises NetworkError."""
        while True:
            try:
                return self._connection.recv(size)
            except SSL.WantReadError:
                self._flush(deadline)
                if not self._fill(deadline):
                    return b""
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise self._network_error(error) from None

    @property
    def asked(self) -> bool:
        """Tell whether the server has asked for a client certificate until now."""
        return self._asked

    def listen(self, seconds: float) -> None:
        """Wait so long for what the server sends unasked: session tickets, or an alert."""
        with contextlib.suppress(NetworkError):
            self._fill(time.monotonic() + seconds)

    def close(self) -> None:
        """Close the stream below."""
        self._stream.close()

    def _context(
        self,
        trusted: TrustStore | None,
        identity: ClientIdentity | None,
        curve: ec.EllipticCurve | None,
    ) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_info_callback(self._on_event)
        store = context.get_cert_store()
        if trusted is not None and store is not None:  # every context has a store
            for root in trusted.certificates:
                store.add_cert(root)
        context.set_verify(SSL.VERIFY_PEER, self._verify)
        if curve is not None:
            context.set_tmp_ecdh(curve)
        # Last: pyOpenSSL 25.1 then warns of every change.
        context.set_cipher_list(_STRONG + _CIPHERS)
        if identity is not None:
            _present(context, identity)
        return context

    def _verify(
        self, _connection: SSL.Connection, found: crypto.X509, number: int, depth: int, fine: int
    ) -> bool:
        """Record OpenSSL's first objection; continue in spite of it if no identity is at stake."""
        if depth == 0:
            self._leaf = parsed(found)
        if not fine and self._problem is None:
            self._problem = Problem(number, depth, parsed(found))
        if not self._strict:
            return True
        if not fine:
            return False
        return depth > 0 or (self._leaf is not None and is_issued_for(self._leaf, self._host))

    def _on_event(self, connection: SSL.Connection, where: int, value: int) -> None:
        if where == _ALERT_READ:
            self._alert_read = value & 0xFF
        elif where == _ALERT_WRITTEN:
            self._alert_written = value & 0xFF
        elif b"read server certificate request" in connection.get_state_string():
            self._asked = True

    def _result(self, error: NetworkError | None) -> Handshake:
        connection = self._connection
        presented = all_parsed(connection.get_peer_cert_chain() or [])
        leaf = self._leaf or (presented[0] if presented else None)
        is_verified = error is None and self._problem is None
        return Handshake(
            finished=error is None,
            protocol=connection.get_protocol_version_name() if leaf is not None else None,
            cipher=connection.get_cipher_name(),
            asked=self._asked,
            accepted=tuple(
                of_components(one.der(), one.get_components())
                for one in connection.get_client_ca_list()
            ),
            presented=presented,
            chain=all_parsed(connection.get_verified_chain() or []) if is_verified else (),
            problem=self._problem if self._verifies else None,
            name_matches=is_issued_for(leaf, self._host) if leaf and self._verifies else None,
            error=error,
            group=self._group() if error is None else None,
        )

    def _group(self) -> str | None:
        if not hasattr(self._connection, "get_group_name"):
            return None
        return self._connection.get_group_name()

    def _network_error(self, error: SSL.Error) -> NetworkError:
        first = self._first_bytes
        if first and not (first[0] in _RECORD_TYPES and first[1:2] in (b"\3", b"")):
            line = first.split(b"\n")[0][:_LONGEST_LINE]
            return NetworkError("tls", "plain", line.decode("ascii", "backslashreplace").strip())
        reason = _reason(error)
        if self._alert_read is not None:
            return NetworkError("tls", "alert", reason, self._alert_read)
        if self._alert_written == PROTOCOL_VERSION_ALERT or any(
            one in reason for one in _NO_COMMON_VERSION
        ):
            return NetworkError("tls", "protocol", reason)
        if isinstance(error, SSL.SysCallError) or "eof" in reason:
            return NetworkError("tls", "closed")
        return NetworkError("tls", "failed", reason, self._alert_written)

    def _flush(self, deadline: float) -> None:
        while True:
            try:
                data = self._connection.bio_read(CHUNK)
            except SSL.WantReadError:
                return
            self._stream.send(data, deadline)

    def _fill(self, deadline: float) -> bool:
        """Receive what comes next; return False at the end of the stream."""
        data = self._stream.receive(CHUNK, deadline)
        if not data:
            self._connection.bio_shutdown()
            if not self._first_bytes:
                raise NetworkError("tls", "closed")
            return False
        self._first_bytes = self._first_bytes or data
        self._connection.bio_write(data)
        return True


def _reason(error: SSL.Error) -> str:
    """Return the last reason in OpenSSL's error queue."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(entries[-1][-1]).lower() if entries else ""
