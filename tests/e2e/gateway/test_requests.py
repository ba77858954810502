"""What the gateway sends on, and what it refuses: nothing odd reaches the server."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from mtls_run.net import transport
from tests.e2e.gateway.scene import Gateway, Scripted, always, gateway, identity, scripted, settings
from tests.e2e.own_proxy import HELLO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.gateway.scene import World

pytestmark = pytest.mark.everyday

Pair = tuple[Gateway, Scripted]


@pytest.fixture
def pair(world: World) -> Iterator[Pair]:
    """Run a gateway with one identity, before a server that says hello."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(world.client("alice"), f"localhost:{server.port}")
        with gateway(settings(world, alice)) as found:
            yield found, server


def test_a_request_arrives_with_the_identity(pair: Pair) -> None:
    """A request for the identity's host is answered, and the server saw the certificate."""
    tool, server = pair
    assert tool.get(server.port).body == b"hello"
    assert [one.subject for one in server.seen] == ["alice"]


def test_the_secret_does_not_reach_the_server(pair: Pair) -> None:
    """Headers of one connection stay behind, and others arrive in their spelling."""
    tool, server = pair
    tool.get(server.port, "/x", "X-Odd: 1", "Keep-Alive: 5", "TE: trailers", tool_auth(tool))
    (seen,) = server.seen
    assert b"X-Odd: 1\r\n" in seen.data
    for gone in (b"roxy-", b"Keep-Alive", b"TE:", b"onnection:"):
        assert gone not in seen.data


def tool_auth(tool: Gateway) -> str:
    """Return the secret's header, as a tool would send it inside by mistake."""
    return tool.authorization.decode().strip()


SMUGGLED = {
    "two lengths": b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "one length twice": b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": b"Content-Length: 4, 4\r\n\r\nabcd",
    "length and chunks": b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an odd coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a negative length": b"Content-Length: -1\r\n\r\n",
    "a signed length": b"Content-Length: +4\r\n\r\nabcd",
    "a folded header": b"X-A: 1\r\n  X-B: 2\r\n\r\n",
    "a bare LF": b"X-A: 1\nX-B: 2\r\n\r\n",
    "a bare CR": b"X-A: 1\rX-B: 2\r\n\r\n",
    "a NUL": b"X-A: 1\0\r\n\r\n",
    "a space before the colon": b"Content-Length : 4\r\n\r\nabcd",
    "a header without a name": b": 4\r\n\r\n",
    "no colon": b"nonsense\r\n\r\n",
    "a large head": b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_two_servers_read_differently_is_refused(pair: Pair, name: str) -> None:
    """No request with an ambiguous head reaches the server."""
    tool, server = pair
    head = f"GET /x HTTP/1.1\r\nHost: localhost:{server.port}\r\n".encode()
    answer = tool.send(f"localhost:{server.port}", head + SMUGGLED[name])
    assert answer.status == 400
    assert answer.headers["x-mtls-run-error"] == "bad-request"
    assert server.seen == []


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET http://localhost/x HTTP/1.1", 400),
        (b"GET https://elsewhere.example/x HTTP/1.1", 400),
        (b"GET x HTTP/1.1", 400),
        (b"OPTIONS * HTTP/1.1", 400),
        (b"GET  /x HTTP/1.1", 400),
        (b"GET /x HTTP/2.0", 400),
        (b"GET /x y HTTP/1.1", 400),
        (b"POST /x HTTP/1.1", 403),
        (b"POST /x/git-receive-pack HTTP/1.1", 403),
        (b"POST /x/git-upload-pack HTTP/1.1", 200),  # git's own error, which git prints
        (b"DELETE /x HTTP/1.1", 403),
        (b"TRACE /x HTTP/1.1", 403),
        (b"CONNECT elsewhere.example:443 HTTP/1.1", 400),
    ],
)
def test_the_request_line(pair: Pair, line: bytes, status: int) -> None:
    """Only GET and HEAD of a path are sent on."""
    tool, server = pair
    host = f"Host: localhost:{server.port}".encode()
    answer = tool.send(f"localhost:{server.port}", b"\r\n".join([line, host, b"", b""]))
    assert answer.status == status
    assert "x-mtls-run-error" in answer.headers
    assert server.seen == []


@pytest.mark.parametrize(
    "host",
    ["elsewhere.example", "localhost", "localhost:443", "user@localhost:{port}", "127.0.0.1:{port}",
     "localhost:{port} ", "localhost:0{port}:1", ""],
)  # fmt: skip
def test_another_host_inside_the_tunnel(pair: Pair, host: str) -> None:
    """A request whose Host is not the tunnel's is refused."""
    tool, server = pair
    named = host.format(port=server.port)
    head = f"GET /x HTTP/1.1\r\nHost: {named}\r\nConnection: close\r\n\r\n"
    answer = tool.send(f"localhost:{server.port}", head.encode())
    if named.strip() == f"localhost:{server.port}":
        assert answer.status == 200  # white space around a value is not part of it
        return
    assert answer.status in (400, 421)
    assert server.seen == []


def test_two_hosts_or_none(pair: Pair) -> None:
    """A request has exactly one Host."""
    tool, server = pair
    host = f"Host: localhost:{server.port}\r\n"
    for hosts in ("", host * 2):
        answer = tool.send(f"localhost:{server.port}", f"GET / HTTP/1.1\r\n{hosts}\r\n".encode())
        assert answer.status == 400
    assert server.seen == []


@pytest.mark.parametrize("name", ["a.localhost", "elsewhere.example", "127.0.0.1"])
def test_another_name_in_the_handshake(pair: Pair, name: str) -> None:
    """The name in the tool's handshake is the tunnel's, or there is no handshake."""
    tool, server = pair
    with pytest.raises(ssl.SSLError):
        tool.secured(f"localhost:{server.port}", name)
    assert server.seen == []


@pytest.mark.parametrize("spelling", ["LOCALHOST", "localhost.", "LocalHost."])
def test_other_spellings_are_the_same_host(pair: Pair, spelling: str) -> None:
    """Case and a dot at the end change nothing: the limits hold for them too."""
    tool, server = pair
    with tool.secured(f"{spelling}:{server.port}") as connected:
        connected.sendall(f"POST /x HTTP/1.1\r\nHost: {spelling}:{server.port}\r\n\r\n".encode())
        assert connected.recv(4096).startswith(b"HTTP/1.1 403")
    assert server.seen == []


@pytest.mark.parametrize(
    "target",
    ["user@localhost:{port}", "localhost:{port}/", "localhost", "http://localhost:{port}",
     "localhost:99999", "[::1", "::1:{port}", "a b:1", "%6cocalhost:{port}"],
)  # fmt: skip
def test_odd_targets_of_a_tunnel(pair: Pair, target: str) -> None:
    """What is no host and port is refused; a name without a port means 443."""
    tool, server = pair
    line = f"CONNECT {target.format(port=server.port)} HTTP/1.1\r\nHost: x\r\n".encode()
    answer = tool.ask(line + tool.authorization + b"\r\n")
    assert answer.status in (400, 502)
    assert server.seen == []


def test_the_same_server_by_another_name(pair: Pair) -> None:
    """By its address, the server gets a tunnel of its own, and sees no certificate."""
    tool, server = pair
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with tool.secured(f"127.0.0.1:{server.port}", "127.0.0.1", context) as connected:
        connected.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connected.recv(4096).endswith(b"hello")
    assert [one.subject for one in server.seen] == [""]


def test_a_redirect_to_another_port_sees_no_certificate(pair: Pair, world: World) -> None:
    """A second server on the same host asks for a certificate, and is shown none."""
    tool, _ = pair
    with scripted(world, always(HELLO)) as other:
        context = ssl.create_default_context(cadata=world.server_ca.pem.decode())
        with tool.secured(f"localhost:{other.port}", "localhost", context) as connected:
            connected.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connected.recv(4096).endswith(b"hello")
        assert [one.subject for one in other.seen] == [""]


def test_paths(world: World) -> None:
    """With paths, what is beside them, or could be, is refused."""
    with scripted(world, always(HELLO)) as server:
        alice = identity(
            world.client("alice"), f"localhost:{server.port}", paths=("/artifactory/",)
        )
        with gateway(settings(world, alice)) as tool:
            for path in ("/artifactory/x", "/artifactory/a%20b?c=../..", "/artifactory/"):
                assert tool.get(server.port, path).status == 200
            count = len(server.seen)
            for path in (
                "/other", "/artifactory", "/artifactoryx/", "/artifactory/../x",
                "/artifactory/%2e%2e/x", "/artifactory/%2E./x", "/artifactory//x",
                "/artifactory/a%2fb", "/artifactory/%252e%252e/x", "/artifactory/..;/x",
                "/artifactory/..%5cx", "//artifactory/x", "/artifactory/%00", "/artifactory/%zz",
            ):  # fmt: skip
                answer = tool.get(server.port, path)
                assert (answer.status, answer.headers["x-mtls-run-error"]) == (403, "path"), path
            assert len(server.seen) == count


def test_connections_are_not_shared_between_identities(world: World) -> None:
    """Two identities for one host by path: each request arrives with its own certificate."""
    with scripted(world, always(HELLO)) as server:
        host = f"localhost:{server.port}"
        alice = identity(world.client("alice"), host, paths=("/",))
        lab = identity(world.client("lab"), host, paths=("/lab/",))
        with gateway(settings(world, alice, lab)) as tool:
            for path in ("/a", "/lab/a", "/b", "/lab/b"):
                assert tool.get(server.port, path).status == 200
        found = {one.subject: one.data for one in server.seen}
        assert set(found) == {"alice", "lab"}
        assert b"/lab/" not in found["alice"]
        assert b"GET /a " not in found["lab"]
        assert found["lab"].count(b"GET /lab/") == 2  # one connection for both


def test_the_exact_host_beats_the_wildcard(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The identity with the closest pattern is the one that is shown."""
    monkeypatch.setattr(transport, "resolve", lambda *_: ("127.0.0.1",))
    with scripted(world, always(HELLO)) as server:
        wild = identity(world.client("wild"), f"*.localhost:{server.port}")
        exact = identity(world.client("exact"), f"a.localhost:{server.port}")
        with gateway(settings(world, wild, exact)) as tool:
            host = f"a.localhost:{server.port}"
            head = f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            assert tool.send(host, head.encode(), "a.localhost").status == 200
        assert [one.subject for one in server.seen] == ["exact"]


def test_the_server_is_verified(world: World) -> None:
    """A server with another name, or of another CA, gets nothing; the page says why."""
    other = world.server_ca.issue("x", server=True, hosts=("elsewhere.example",))
    stranger = world.client_root.issue("x", server=True)
    for certificate, reason in ((other, "Hostname mismatch"), (stranger, "self-signed")):
        with scripted(world, always(HELLO), certificate=certificate) as server:
            alice = identity(world.client("alice"), f"localhost:{server.port}")
            with gateway(settings(world, alice)) as tool:
                answer = tool.get(server.port)
            assert answer.status == 502
            assert answer.headers["x-mtls-run-error"] == "certificate"
            assert reason in answer.body.decode()
            assert server.seen == []


def test_the_authority_is_for_the_hosts_alone(pair: Pair) -> None:
    """A leaf for another name by the run's own CA is refused by the constraints."""
    tool, _ = pair
    from mtls_run.config.scope import HostPattern  # noqa: PLC0415
    from mtls_run.handoff.gateway.authority import RunAuthority  # noqa: PLC0415
    from tests.e2e.gateway.scene import trusts  # noqa: PLC0415

    del tool
    hosts = ("pypi.corp.example", "*.lab.example:8443", "10.1.2.3")
    authority = RunAuthority([HostPattern.parse(one) for one in hosts])
    inside = ("pypi.corp.example", "a.lab.example", "10.1.2.3")
    outside = ("elsewhere.example", "corp.example", "xlab.example", "10.1.2.4", "::1")
    for name in (*inside, *outside):
        assert handshakes(authority.issue(name).reveal(), trusts(authority.pem), name) == (
            name in inside
        ), name
    by_name = RunAuthority([HostPattern.parse("pypi.corp.example")])
    assert not handshakes(by_name.issue("10.1.2.3").reveal(), trusts(by_name.pem), "10.1.2.3")
    by_address = RunAuthority([HostPattern.parse("[::1]:8443")])
    assert handshakes(by_address.issue("::1").reveal(), trusts(by_address.pem), "::1")
    for name in ("pypi.corp.example", "10.1.2.3", "::2"):
        assert not handshakes(by_address.issue(name).reveal(), trusts(by_address.pem), name), name


def handshakes(pem: bytes, client: ssl.SSLContext, name: str) -> bool:
    """Tell whether a client accepts a server with this identity under this name."""
    from mtls_run.handoff.gateway import contexts  # noqa: PLC0415
    from mtls_run.secret import Secret  # noqa: PLC0415

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    contexts.load_pem(context, Secret(pem))
    ends = [ssl.MemoryBIO() for _ in range(2)]
    one = context.wrap_bio(ends[0], ends[1], server_side=True)
    other = client.wrap_bio(ends[1], ends[0], server_hostname=name)
    for _ in range(4):
        for end in (other, one):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return True
