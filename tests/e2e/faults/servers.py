"""One nginx with a port for each fault, and the other listeners."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.faults import sockets
from tests.e2e.faults.pki import World
from tests.e2e.packages import write_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CONFIG = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log info;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  types {{ text/html html; application/octet-stream whl gz; }}
  root {root}/www;
{servers}
}}
"""


def tls(certificate: str = "good", clients: str | None = "client-root", *more: str) -> str:
    """Return the directives of a server with this certificate that accepts these clients.

    No clients at all means that it asks for no certificate.
    """
    lines = [
        f"ssl_certificate {{root}}/{certificate}.pem;",
        f"ssl_certificate_key {{root}}/{certificate}.key;",
        "ssl_protocols TLSv1.2 TLSv1.3;",
    ]
    if clients is not None:
        lines += [
            f"ssl_client_certificate {{root}}/{clients}.pem;",
            "ssl_verify_client on;",
            "ssl_verify_depth 3;",
        ]
    replaced = {line.split()[0] for line in more}
    return "\n    ".join([line for line in lines if line.split()[0] not in replaced] + list(more))


def answering(*directives: str) -> str:
    """Return a server that accepts the client, with these directives for its answer."""
    return tls("good", "client-root", *directives)


_HTML, _JSON = "default_type text/html;", "default_type application/vnd.pypi.simple.v1+json;"
_WEAK = "ssl_ciphers ALL:@SECLEVEL=0;"

# Braces are doubled where nginx means them: {root} and {port[NAME]} are filled in.
TLS_SITES = {
    "healthy": tls(),
    "healthy-rsa": tls("rsa"),
    "healthy-tls-1.2": tls("good", "client-root", "ssl_protocols TLSv1.2;"),
    "healthy-tls-1.3": tls("good", "client-root", "ssl_protocols TLSv1.3;"),
    "healthy-optional": tls("good", "client-root", "ssl_verify_client optional;"),
    "healthy-ed25519": tls("ed25519"),
    "healthy-address-in-names": tls("address-in-names"),
    "healthy-with-root": tls("with-root"),
    "healthy-json": answering(
        _JSON, 'return 200 \'{{"meta":{{"api-version":"1.0"}},"projects":[{{"name":"a"}}]}}\';'
    ),
    "healthy-redirect": answering("rewrite ^/simple/$ /simple/index.html redirect;"),
    "asks-nobody": tls("good", None),
    # The server's own certificate.
    "server-expired": tls("expired"),
    "server-not-yet-valid": tls("not-yet-valid"),
    "server-expires-soon": tls("expires-soon"),
    "server-other-name": tls("other-name"),
    "server-no-names": tls("no-names"),
    "server-twin": tls("twin"),
    "server-stranger": tls("stranger"),
    "server-stranger-no-chain": tls("stranger-no-chain"),
    "server-self-signed": tls("self-signed"),
    "server-no-chain": tls("no-chain"),
    "server-client-usage": tls("client-usage"),
    "server-weak-key": tls("weak", "client-root", _WEAK),
    # The clients that it accepts.
    "clients-stranger": tls("good", "stranger-root"),
    "clients-stranger-1.2": tls("good", "stranger-root", "ssl_protocols TLSv1.2;"),
    "clients-issuer-known": tls("good", "client-both"),
    "clients-crl": tls("good", "client-root", "ssl_crl {root}/crl.pem;"),
    "clients-depth": tls("good", "client-root", "ssl_verify_depth 0;"),
    "clients-495": tls(
        "good",
        None,
        "ssl_verify_client optional_no_ca;",
        'if ($ssl_client_verify != SUCCESS) {{ return 495 "certificate error"; }}',
    ),
    "clients-496": tls(
        "good",
        "client-root",
        "ssl_verify_client optional;",
        'if ($ssl_client_verify = NONE) {{ return 496 "certificate required"; }}',
    ),
    # TLS itself. OpenSSL 3 signs TLS 1.0 with SHA-1, which needs security level 0.
    "tls-1.0": tls("rsa", "client-root", "ssl_protocols TLSv1;", _WEAK),
    "tls-1.1": tls("rsa", "client-root", "ssl_protocols TLSv1.1;", _WEAK),
    "tls-old-ciphers": tls(
        "rsa", "client-root", "ssl_protocols TLSv1.2;", "ssl_ciphers AES128-SHA:@SECLEVEL=0;"
    ),
    "tls-cbc": tls(
        "good", "client-root", "ssl_protocols TLSv1.2;", "ssl_ciphers ECDHE-ECDSA-AES256-SHA384;"
    ),
    "tls-rejects": tls("good", None, "ssl_reject_handshake on;"),
    # The answer.
    "http-400": answering('return 400 "no such thing";'),
    "http-401": answering("auth_basic index;", "auth_basic_user_file {root}/passwords;"),
    "http-403": answering("deny all;"),
    "http-404": answering("root {root}/empty;"),
    "http-407": answering("return 407;"),
    "http-429": answering("return 429;"),
    "http-500": answering("return 500;"),
    "http-502": answering("location / {{ proxy_pass http://127.0.0.1:{port[refusing]}; }}"),
    "http-504": answering(
        "location / {{ proxy_pass http://127.0.0.1:{port[silent]}; proxy_read_timeout 100ms; }}"
    ),
    "http-hangs": answering("location / {{ proxy_pass http://127.0.0.1:{port[silent]}; }}"),
    "http-no-answer": answering("return 444;"),
    "page-sign-in": answering(
        _HTML, 'return 200 "<html><title>Sign in</title><form action=/in></form></html>";'
    ),
    "page-json": answering(
        "default_type application/json;", 'return 200 \'{{"status": "healthy"}}\';'
    ),
    "page-empty": answering(_HTML, 'return 200 "";'),
    "page-text": answering("default_type text/plain;", 'return 200 "It works!";'),
    "redirect-elsewhere": answering("return 302 https://127.0.0.1:{port[healthy]}/simple/;"),
    "redirect-insecure": answering("return 302 http://localhost:{port[plain-http]}/simple/;"),
    "redirect-sign-in": answering(
        "location /simple/ {{ return 302 /in; }}",
        f'location = /in {{{{ {_HTML} return 200 "<title>Sign in</title><form></form>"; }}}}',
    ),
    "redirect-loop": answering("return 302 https://localhost:{port[redirect-loop]}/simple/;"),
    "clock-ahead": answering(
        "location / {{ proxy_pass http://127.0.0.1:{port[backend-ahead]};"
        " proxy_pass_header Date; }}"
    ),
    # Accepts every client, since nginx uses the true clock.
    "clock-before-the-end": tls(
        "good",
        None,
        "ssl_verify_client optional_no_ca;",
        "location / {{ proxy_pass http://127.0.0.1:{port[backend-days-behind]};"
        " proxy_pass_header Date; }}",
    ),
    "clock-behind": answering(
        "location / {{ proxy_pass http://127.0.0.1:{port[backend-behind]};"
        " proxy_pass_header Date; }}"
    ),
}
PLAIN_SITES = {"plain-http": ""}


@dataclass(frozen=True)
class Servers:
    """All listeners, by name."""

    root: Path
    world: World
    port: Mapping[str, int]

    def url(self, name: str, *, host: str = "localhost", scheme: str = "https") -> str:
        """Return the index at this server."""
        return f"{scheme}://{host}:{self.port[name]}/simple/"


@contextlib.contextmanager
def running() -> Iterator[Servers]:
    """Run all servers for as long as the context lasts."""
    with (
        tempfile.TemporaryDirectory(prefix="mr-faults-") as folder,
        contextlib.ExitStack() as stack,
    ):
        root = Path(folder)
        world = World.create()
        world.write(root)
        write_index(root / "www")
        links = '<!DOCTYPE html><html><body><a href="alpha-pkg/">alpha-pkg</a></body></html>\n'
        (root / "www" / "simple" / "index.html").write_text(links)
        (root / "empty").mkdir()
        (root / "passwords").write_text("")
        listeners = sockets.Listeners()
        stack.callback(listeners.close)
        port = _listen(listeners, root)
        port.update((name, listeners.kept()) for name in (*TLS_SITES, *PLAIN_SITES))
        process = _start(root, port)
        try:
            yield Servers(root, world, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _listen(listeners: sockets.Listeners, root: Path) -> dict[str, int]:
    now = dt.datetime.now(dt.timezone.utc)
    ahead = email.utils.format_datetime(now + dt.timedelta(days=40), usegmt=True)
    behind = email.utils.format_datetime(now - dt.timedelta(hours=5), usegmt=True)
    long_ago = email.utils.format_datetime(now - dt.timedelta(days=9), usegmt=True)
    older = ssl.TLSVersion.TLSv1_2
    return {
        "refusing": listeners.refusing(),
        "silent": listeners.silent(),
        "full": listeners.full(),
        "resets": listeners.serve(sockets.reset),
        "hangs-up": listeners.serve(sockets.hang_up),
        "smtp": listeners.serve(sockets.speak_smtp),
        "strict": listeners.serve(sockets.strict(root)),
        "strict-1.2": listeners.serve(sockets.strict(root, newest=older)),
        "strict-crl": listeners.serve(sockets.strict(root, revocations=True)),
        "strict-crl-1.2": listeners.serve(sockets.strict(root, newest=older, revocations=True)),
        "backend-ahead": listeners.serve(sockets.backend(f"Date: {ahead}")),
        "backend-behind": listeners.serve(sockets.backend(f"Date: {behind}")),
        "backend-days-behind": listeners.serve(sockets.backend(f"Date: {long_ago}")),
        "proxy": listeners.serve(sockets.proxy()),
        "proxy-password": listeners.serve(sockets.proxy(password=sockets.PROXY_PASSWORD)),
        "proxy-403": listeners.serve(sockets.proxy("403 Forbidden")),
        "proxy-502": listeners.serve(sockets.proxy("502 Bad Gateway")),
    }


def _start(root: Path, port: Mapping[str, int]) -> subprocess.Popen[bytes]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise AssertionError("nginx is missing: tests/run installs it")
    (root / "nginx.conf").write_text(CONFIG.format(root=root, servers=_blocks(root, port)))
    process = subprocess.Popen(
        [
            program,
            "-p",
            str(root),
            "-c",
            str(root / "nginx.conf"),
            "-e",
            str(root / "error.log"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # nginx opens its ports in the order of its configuration.
    last = port[[*TLS_SITES, *PLAIN_SITES][-1]]
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("::1", last), 1):
            return process
        time.sleep(0.01)
    raise AssertionError(f"nginx does not start:\n{(root / 'error.log').read_text()}")


def _blocks(root: Path, port: Mapping[str, int]) -> str:
    blocks = []
    for sites, flag in ((TLS_SITES, " ssl"), (PLAIN_SITES, "")):
        for name, directives in sites.items():
            listen = [
                f"listen {address}:{port[name]}{flag} reuseport;"
                for address in ("127.0.0.1", "[::1]")
            ]
            inside = "\n    ".join(
                [*listen, "server_name localhost;", directives.format(root=root, port=port)]
            )
            blocks.append(f"  server {{\n    {inside}\n  }}")
    return "\n".join(blocks)
