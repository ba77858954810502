"""What each tool on PATH makes of a server: pip by its own interpreter, uv by what webpki takes.

doctor's own handshake is made by the OpenSSL in cryptography. It shows what the server does, and
not what pip's OpenSSL or uv's rustls says to that.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec

from mtls_run.doctor import client_auth, server_tls
from mtls_run.doctor.transcript import Answer, ToolVerdict
from mtls_run.errors import HandoffError
from mtls_run.identity import extensions
from mtls_run.net.errors import NetworkError
from mtls_run.net.tls import Tls
from mtls_run.net.transport import Socket
from mtls_run.system import anonymous_file
from mtls_run.tools import uv_tls
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.pip import TRUSTSTORE_SINCE
from mtls_run.tools.pip_python import PipPython
from mtls_run.tools.uv import TOOL as UV

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.x509 import Certificate

    from mtls_run.doctor.transcript import Attempt, Transcript
    from mtls_run.identity.material import Identity
    from mtls_run.net.certificates import TrustStore
    from mtls_run.net.route import Route
    from mtls_run.roots.resolve import Roots
    from mtls_run.tools.base import Target

_ASK = "ask the index's administrator"
_FORBIDDEN = 403
# Python's start, and the imports of pip's own urllib3.
_SECONDS_TO_START = 10.0
_HEADERS = {"Accept": "text/html", "Accept-Encoding": "identity", "Connection": "close"}


@dataclass(frozen=True)
class Tools:
    """The tools on PATH that can use the identity, and what they are handed.

    `stopped` are tools that a run would not start. `pip` is pip's interpreter. `roots` and
    `identity` are each a path, or a descriptor of memory, or None where there is none.
    """

    targets: tuple[Target, ...] = ()
    pip: PipPython | None = None
    roots: str | int | None = None
    identity: str | int | None = None
    trusted: TrustStore | None = None
    environ: Mapping[str, str] | None = None


def identity_of(identity: Identity | None) -> str | int | None:
    """Return where a tool finds the identity, as in a run: its own file, or memory."""
    if identity is None:
        return None
    if identity.ready is not None:
        return str(identity.ready)
    with contextlib.suppress(HandoffError):  # not Linux: pip's interpreter is not asked
        path = anonymous_file.hold(identity.exportable_pem().reveal(), anonymous_file.IDENTITY)
        return int(os.path.basename(path))
    return None


def roots_of(roots: Roots) -> str | int | None:
    """Return where pip's interpreter finds the roots: the system's file, or memory."""
    if roots.bundle is None:
        return None if roots.file is None else str(roots.file)
    with contextlib.suppress(HandoffError):
        return int(os.path.basename(anonymous_file.hold(roots.bundle.content, "mtls-run-roots")))
    return None


def of(seen: Transcript, tools: Tools, route: Route) -> tuple[ToolVerdict, ...]:
    """Return the verdict of each tool about a server that doctor itself has tried."""
    found = []
    for target in tools.targets:
        version = ".".join(map(str, target.version or ()))
        if target.tool.KIND not in seen.index.asked_by:
            continue  # it asks another index, or goes there by another route
        if target.tool.KIND == PIP.KIND:
            found.append(_of_pip(seen, tools, route, target, version))
        elif target.tool.KIND == UV.KIND:
            found.append(_of_uv(seen, tools, route, target, version))
    return tuple(found)


# --- pip


def _of_pip(
    seen: Transcript, tools: Tools, route: Route, target: Target, version: str
) -> ToolVerdict:
    own = seen.identified or seen.anonymous
    assert own is not None
    has_identity = tools.identity is not None
    answer = None
    if tools.pip is not None:
        truststore = tools.roots is None and (target.version or ()) >= TRUSTSTORE_SINCE
        # OpenSSL verifies before it shows the identity; old urllib3 compares names only later.
        if own.handshake.name_matches is False and has_identity:
            first = _asked(seen, tools, route, tools.pip, truststore=truststore, shows=False)
            if first is None or not first["done"]:
                return ToolVerdict(PIP.KIND, version, works=None if first is None else False)
        answer = _asked(seen, tools, route, tools.pip, truststore=truststore, shows=has_identity)
    if answer is None:
        return ToolVerdict(PIP.KIND, version, works=None)
    if answer["done"]:
        refused = _is_refusal(answer, own)
        return ToolVerdict(PIP.KIND, version, works=not refused)
    if own.error is not None or not own.handshake.verified:
        return ToolVerdict(PIP.KIND, version, works=False)
    who = f"pip {version}, on Python {answer['python']} with {answer['openssl']},"
    if answer["verify_code"] is not None or "CertificateError" in answer["kind"]:
        return ToolVerdict(
            PIP.KIND,
            version,
            works=False,
            code="tool-refuses-server",
            fact=f"{who} refuses the server's certificate: {answer['message'].lower()}",
            action=f"{_ASK} for a certificate, and CA certificates, as RFC 5280 wants them; "
            "until then, use an older Python, or uv",
        )
    reason = (answer["reason"] or answer["message"]).replace("_", " ").lower()
    return ToolVerdict(
        PIP.KIND,
        version,
        works=False,
        code="tool-refuses-server",
        fact=f"{who} does not connect: {reason}",
        action=f"{_ASK} to offer what current TLS clients use",
    )


def _asked(
    seen: Transcript,
    tools: Tools,
    route: Route,
    python: PipPython,
    *,
    truststore: bool,
    shows: bool,
) -> dict[str, Any] | None:
    """Return what the interpreter answers about a connection by doctor's own route, or None."""
    try:
        stream, _ = route.connect(seen.addresses)
    except NetworkError:
        return None
    with contextlib.closing(stream):
        if not isinstance(stream, Socket):
            return None  # TLS to the proxy is mtls-run's own
        given = (tools.roots, tools.identity if shows else None)
        descriptors = [stream.connected.fileno(), *(one for one in given if isinstance(one, int))]
        roots, identity = (f"/proc/self/fd/{one}" if isinstance(one, int) else one for one in given)
        request = {
            "socket": stream.connected.fileno(),
            "host": seen.index.host,
            "port": seen.index.port,
            "target": seen.index.target,
            "headers": _HEADERS,
            "roots": roots,
            "identity": identity,
            "truststore": truststore,
            "timeout": route.timeout,
        }
        seconds = _SECONDS_TO_START + 3 * route.timeout
        return python.ask(request, tools.environ or {}, descriptors, seconds)


def _is_refusal(answer: Mapping[str, Any], own: Attempt) -> bool:
    """Tell whether the server refused pip's identity, or pip for lack of one."""
    found = Answer(status=answer["status"], text=answer["text"])
    own_status = own.answer.status if own.answer is not None else None
    if found.status == _FORBIDDEN and own_status == _FORBIDDEN:
        return True
    return client_auth.refuses(found, asked=True)


# --- uv


def _of_uv(
    seen: Transcript, tools: Tools, route: Route, target: Target, version: str
) -> ToolVerdict:
    own = seen.identified or seen.anonymous
    assert own is not None
    assert target.version is not None
    handshake = own.handshake
    roots = _roots_for(target, tools.trusted)
    if handshake.presented and roots:
        reason = uv_tls.objection(target.version, handshake.presented, roots)
        if reason is not None:
            return ToolVerdict(
                UV.KIND,
                version,
                works=False,
                code="tool-refuses-server",
                fact=f"uv {version} refuses the server's certificate: {reason.fact}",
                action=f"{_ASK} for {reason.wanted}; until then, use pip",
            )
    if (
        handshake.presented
        and uv_tls.needs_probe(handshake.presented[0], handshake.group)
        and _takes_groups_of_uv(seen, route) is False
    ):
        return ToolVerdict(
            UV.KIND,
            version,
            works=False,
            code="tool-refuses-server",
            fact=f"uv {version} does not connect: the server takes none of the groups that uv "
            "offers for the key exchange, X25519, P-256 and P-384",
            action=f"{_ASK} to enable X25519 (nginx: ssl_ecdh_curve), and for a certificate with "
            "RSA, P-256 or P-384 if it has P-521; until then, use pip",
        )
    late = _asks_late(seen, tools, route)
    if late is not None:
        how, setting = late
        return ToolVerdict(
            UV.KIND,
            version,
            works=False,
            code="server-asks-late",
            fact=f"uv cannot answer: the server asks for the client certificate only after the "
            f"request, by {how}",
            action=f"{_ASK} to ask in the handshake: {setting} for the whole virtual host (Apache: "
            "SSLVerifyClient outside of <Location> and <Directory>); pip works",
        )
    if handshake.problem is not None and handshake.name_matches:
        led = uv_tls.path(handshake.presented, roots)
        if led is not None and server_tls.is_of_openssl_alone(handshake.problem, led):
            return ToolVerdict(UV.KIND, version, works=True)
    left_out = set(tools.trusted or ()) - set(roots)
    if handshake.chain and handshake.chain[-1] in left_out:
        return ToolVerdict(
            UV.KIND,
            version,
            works=False,
            code="tool-refuses-server",
            fact=f"uv {version} does not know the server's CA, which is left out of the roots: "
            "this uv panics on its critical extension",
            action="install another version of uv",
        )
    stopped = own.error is not None or not handshake.verified or client_auth.is_refusal(own)
    forbidden = own.answer is not None and own.answer.status == _FORBIDDEN
    return ToolVerdict(UV.KIND, version, works=not (stopped or forbidden))


def _takes_groups_of_uv(seen: Transcript, route: Route) -> bool | None:
    """Tell whether the server shakes hands by P-256, which uv offers; None if that is not known."""
    if seen.anonymous is None or not seen.anonymous.handshake.finished:
        return None  # it asks for an identity, and this try shows none
    try:
        stream, _ = route.connect(seen.addresses)
    except NetworkError:
        return None
    with contextlib.closing(stream):
        tls = Tls(stream, seen.index.host, None, curve=ec.SECP256R1())
        error = tls.handshake(time.monotonic() + route.timeout).error
    if error is None:
        return True
    return False if error.kind in ("alert", "failed") else None


def _roots_for(target: Target, trusted: TrustStore | None) -> tuple[Certificate, ...]:
    """Return the roots that a run would hand to this tool."""
    known = target.tool.known_extensions(target.version)
    every = tuple(trusted or ())
    if known is None:
        return every
    return tuple(root for root in every if not set(extensions.critical(root)) - set(known))


def left_out(target: Target, trusted: TrustStore | None) -> list[str]:
    """Return the names of the roots that a run would not hand to this tool."""
    kept = set(_roots_for(target, trusted))
    return [one.subject.rfc4514_string() for one in trusted or () if one not in kept]


def _asks_late(seen: Transcript, tools: Tools, route: Route) -> tuple[str, str] | None:
    """Return how the server asks for a certificate after the request, and what to set, or None."""
    own = seen.identified or seen.anonymous
    assert own is not None
    if own.handshake.asked or not own.handshake.verified:
        return None
    if own.asked_later:
        return "renegotiation (TLS 1.2)", "SSLVerifyClient"
    if (
        own.handshake.protocol != "TLSv1.3"
        or own.answer is None
        or own.answer.status != _FORBIDDEN
        or tools.identity is None
        or tools.roots is None
    ):
        return None
    # pyOpenSSL cannot offer it, and the standard library can.
    python = PipPython(sys.executable, None)
    answer = _asked(seen, tools, route, python, truststore=False, shows=True)
    if answer is None or not answer["done"] or answer["status"] == _FORBIDDEN:
        return None
    return "post-handshake authentication (TLS 1.3)", "SSLVerifyClient"
