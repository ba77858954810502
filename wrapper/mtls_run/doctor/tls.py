"""TLS as pip and uv speak it, with what the standard library does not show.

pyOpenSSL shows the CAs that a server takes identities of, the alert that refused one, and every
certificate of the chain. The identity goes from memory to memory; no file is made of it.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import time
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from OpenSSL import SSL, crypto

from mtls_run.doctor import names
from mtls_run.doctor.observations import Handshake, Problem, StoppedError, Trouble
from mtls_run.identity import extensions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mtls_run.doctor.names import Named
    from mtls_run.doctor.transport import Wire
    from mtls_run.identity.material import Identity

_CHUNK = 65536
# What both pip and uv take in TLS 1.2: Python's own list (3.10 on) has CBC and DHE besides, rustls
# has neither.
_CIPHERS = b"@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
# TLS records begin with one of these and the version's 3 (RFC 8446, section 5.1).
_RECORDS = range(0x14, 0x19)
_ALERT_READ, _ALERT_WRITTEN = 0x4004, 0x4008
PROTOCOL_VERSION_ALERT = 70
_TOO_OLD = ("unsupported protocol", "wrong ssl version", "wrong version number")


@dataclass(frozen=True)
class Roots:
    """The roots to verify servers by, ready for OpenSSL, and how many there are."""

    certificates: tuple[crypto.X509, ...]

    @classmethod
    def of(cls, ders: Iterable[bytes]) -> Roots:
        """Return these certificates, without those that cannot be read."""
        found = []
        for der in ders:
            with contextlib.suppress(crypto.Error):
                one = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
                if _readable(one) is not None:
                    found.append(one)
        return cls(tuple(found))

    @functools.cached_property
    def names(self) -> tuple[Named, ...]:
        """Return their subjects, in their order."""
        found = map(_readable, self.certificates)
        return tuple(names.named(one.subject) for one in found if one is not None)

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Return the one of these that signed the certificate, or None."""
        for one in self.certificates:
            with contextlib.suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
                candidate = _readable(one)
                if candidate is None:
                    continue
                certificate.verify_directly_issued_by(candidate)
                return candidate
        return None


def objection(identity: Identity) -> str | None:
    """Return why OpenSSL, and so pip, would not present this identity; None where it would."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(_CIPHERS)
    try:
        _present(context, identity)
    except SSL.Error as error:
        return _words(error) or "it does not say why"
    return None


def _present(context: SSL.Context, identity: Identity) -> None:
    context.use_certificate(identity.leaf)
    for above in identity.intermediates:
        context.add_extra_chain_cert(above)
    context.use_privatekey(identity.key)


class Tls:
    """A TLS client over a wire. `seen` has what the handshake showed, also of one that failed.

    Without `roots` nothing is verified, and the caller is to send nothing. With an identity the
    handshake ends before it is shown, where the server is not the one that was meant.
    """

    def __init__(
        self, wire: Wire, host: str, roots: Roots | None, identity: Identity | None = None
    ) -> None:
        self._wire = wire
        self._host = host
        self._strict = identity is not None
        self._alert: int | None = None
        self._written: int | None = None
        self._first = b""
        self._asked = False
        self._problem: Problem | None = None
        self._leaf: x509.Certificate | None = None
        self._verifies = roots is not None
        self._connection = SSL.Connection(self._context(roots, identity), None)
        self._connection.set_connect_state()
        self._connection.set_alpn_protos([b"http/1.1"])
        if not _is_address(host):
            self._connection.set_tlsext_host_name(host.encode("idna"))
        self.seen = Handshake(finished=False)

    def handshake(self, deadline: float) -> Handshake:
        """Return what the handshake showed, be it finished or not."""
        trouble = None
        try:
            while True:
                try:
                    self._connection.do_handshake()
                    break
                except SSL.WantReadError:
                    self._flush(deadline)
                    self._fill(deadline)
            self._flush(deadline)
        except StoppedError as stopped:
            trouble = replace(stopped.trouble, step="tls")
        except SSL.Error as error:
            trouble = self._explained(error)
            with contextlib.suppress(StoppedError):
                self._flush(deadline)  # our own alert, so that the server's log says why
        self.seen = self._look(trouble)
        return self.seen

    def send(self, data: bytes, deadline: float) -> None:
        """Send all of it; raises StoppedError."""
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise StoppedError(self._explained(error)) from None
        self._flush(deadline)

    def receive(self, deadline: float) -> bytes:
        """Return what comes next, nothing at the end; raises StoppedError."""
        while True:
            try:
                return self._connection.recv(_CHUNK)
            except SSL.WantReadError:
                self._flush(deadline)
                if not self._fill(deadline):
                    return b""
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise StoppedError(self._explained(error)) from None

    def listen(self, patience: float) -> None:
        """Take in what the server says unasked within so many seconds: tickets, or an alert."""
        with contextlib.suppress(StoppedError):
            self._fill(time.monotonic() + patience)

    def close(self) -> None:
        """End the connection under it."""
        self._wire.close()

    def _context(self, roots: Roots | None, identity: Identity | None) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_cipher_list(_CIPHERS)
        context.set_info_callback(self._hear)
        if roots is not None:
            store = context.get_cert_store()
            assert store is not None
            for one in roots.certificates:
                store.add_cert(one)
        context.set_verify(SSL.VERIFY_PEER, self._judge)
        if identity is not None:
            _present(context, identity)
        return context

    def _judge(
        self, _connection: SSL.Connection, found: crypto.X509, number: int, depth: int, fine: int
    ) -> bool:
        """Note the first objection of OpenSSL's verification; without an identity, go on."""
        if depth == 0:
            self._leaf = _readable(found)
        if not fine and self._problem is None:
            self._problem = Problem(number, depth, _readable(found))
        if not self._strict:
            return True
        if not fine:
            return False
        return depth > 0 or (self._leaf is not None and name_fits(self._leaf, self._host))

    def _hear(self, connection: SSL.Connection, where: int, value: int) -> None:
        if where == _ALERT_READ:
            self._alert = value & 0xFF
        elif where == _ALERT_WRITTEN:
            self._written = value & 0xFF
        elif b"read server certificate request" in connection.get_state_string():
            self._asked = True

    def _look(self, trouble: Trouble | None) -> Handshake:
        connection = self._connection
        presented = [
            one for one in map(_readable, connection.get_peer_cert_chain() or []) if one is not None
        ]
        leaf = self._leaf or (presented[0] if presented else None)
        chain: list[x509.Certificate] = []
        if trouble is None and self._problem is None:
            above = map(_readable, connection.get_verified_chain() or [])
            chain = [one for one in above if one is not None]
        fits = name_fits(leaf, self._host) if leaf is not None and self._verifies else None
        return Handshake(
            finished=trouble is None,
            protocol=connection.get_protocol_version_name() if leaf is not None else None,
            cipher=connection.get_cipher_name(),
            asked=self._asked,
            accepted=_accepted(connection),
            presented=tuple(presented),
            chain=tuple(chain),
            problem=self._problem if self._verifies else None,
            name_fits=fits,
            trouble=trouble,
        )

    def _explained(self, error: SSL.Error) -> Trouble:
        if self._first and not (self._first[0] in _RECORDS and self._first[1:2] in (b"\3", b"")):
            line = self._first.split(b"\n")[0][:80]
            return Trouble("tls", "plain", line.decode("ascii", "backslashreplace").strip())
        words = _words(error)
        if self._alert is not None:
            return Trouble("tls", "alert", words, self._alert)
        if self._written == PROTOCOL_VERSION_ALERT or any(one in words for one in _TOO_OLD):
            return Trouble("tls", "protocol", words)
        if isinstance(error, SSL.SysCallError) or "eof" in words:
            return Trouble("tls", "closed")
        return Trouble("tls", "failed", words, self._written)

    def _flush(self, deadline: float) -> None:
        while True:
            try:
                data = self._connection.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            self._wire.send(data, deadline)

    def _fill(self, deadline: float) -> bool:
        """Take in what comes next; tell whether anything did."""
        data = self._wire.receive(deadline)
        if not data:
            self._connection.bio_shutdown()
            if not self._first:
                raise StoppedError(Trouble("tls", "closed"))
            return False
        self._first = self._first or data
        self._connection.bio_write(data)
        return True


def _readable(found: crypto.X509) -> x509.Certificate | None:
    """Return the certificate, or None for one that OpenSSL reads and cryptography does not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd serial numbers and the like are no news here
            certificate = found.to_cryptography()
            _ = certificate.subject, certificate.issuer  # they are read only when asked
    except (ValueError, TypeError, x509.InvalidVersion):
        return None
    return certificate


def _words(error: SSL.Error) -> str:
    """Return OpenSSL's reason, the last of the queue."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(entries[-1][-1]).lower() if entries else ""


def _accepted(connection: SSL.Connection) -> tuple[Named, ...]:
    found = connection.get_client_ca_list()
    return tuple(names.of_components(one.der(), one.get_components()) for one in found)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def name_fits(leaf: x509.Certificate, host: str) -> bool:
    """Tell whether the certificate is for this host, by its alternative names alone (RFC 9525).

    An address fits an address; of a name, `*` stands for the whole first label.
    """
    try:
        names = extensions.find(leaf, x509.SubjectAlternativeName)
    except ValueError:
        return False
    if names is None:
        return False
    if _is_address(host):
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    try:
        wanted = host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        return False
    first, _, rest = wanted.partition(".")
    for name in names.get_values_for_type(x509.DNSName):
        lowered = name.lower().rstrip(".")
        if lowered == wanted:
            return True
        if first and rest.count(".") and lowered == f"*.{rest}":
            return True
    return False
