"""A real nginx that serves the package index to holders of a client certificate alone."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.packages import write_index
from tests.e2e.ports import bound_pair
from tests.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
daemon off;
master_process off;
pid {root}/nginx.pid;
error_log {root}/error.log info;
events {{ worker_connections 256; }}
http {{
  log_format entry escape=json '{{"status":$status,"verify":"$ssl_client_verify",'
    '"subject":"$ssl_client_s_dn","uri":"$request_uri","agent":"$http_user_agent"}}';
  access_log {root}/access.log entry;
  client_body_temp_path {root}/body;
  proxy_temp_path {root}/proxy;
  fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi;
  scgi_temp_path {root}/scgi;
  types {{ text/html html; application/octet-stream whl gz; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 reuseport;
    listen [::1]:{port} ssl http2 reuseport;
    server_name localhost;
    ssl_certificate {root}/server.pem;
    ssl_certificate_key {root}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_client_certificate {root}/client-root.pem;
    ssl_verify_client on;
    ssl_verify_depth 3;
    root {root}/www;
    location = /mark {{ return 204; }}
    # git's smart HTTP; `git_server.running` starts what answers there.
    location /git/ {{
      client_max_body_size 0;
      fastcgi_pass unix:{root}/git.sock;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {root};
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER $ssl_client_s_dn;
    }}
    # Where a test receives uploads (tests/e2e/tools/uploads.py).
    location /legacy/ {{
      client_max_body_size 10m;
      proxy_set_header X-Client $ssl_client_s_dn;
      proxy_pass http://unix:{root}/uploads:;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Request:
    """One line of the access log."""

    status: int
    verify: str
    """nginx's own word: SUCCESS, NONE, or FAILED and why."""
    subject: str
    """The distinguished name of the client certificate; empty where there was none."""
    uri: str
    agent: str


@dataclass
class Server:
    """A running nginx and the authorities around it."""

    root: Path
    port: int
    server_ca: Authority
    """The root above the server's certificate: what a client has to trust."""
    client_root: Authority
    """The root that the server admits clients of."""
    issuer: Authority
    """An intermediate below it, which issues the clients' certificates: they must bring it."""
    process: subprocess.Popen[bytes]
    _seen: int = 0
    _failures: int = 0
    _marks: Iterator[int] = field(default_factory=itertools.count)

    @property
    def url(self) -> str:
        """The index, by a name that every pip can check: pip 24.2 cannot check addresses."""
        return f"https://localhost:{self.port}/simple/"

    def forget(self) -> None:
        """Pass over what was logged until now."""
        self._settle()
        self._seen = len(self._access())
        self._failures = len(self._handshakes())

    def requests(self) -> list[Request]:
        """Return the requests since the last `forget`, in the order in which they ended."""
        self._settle()
        entries = self._access()[self._seen :]
        return [entry for entry in entries if not entry.uri.startswith("/mark")]

    def failed_handshakes(self) -> list[str]:
        """Return what the error log says of handshakes that failed since the last `forget`."""
        self._settle()
        return self._handshakes()[self._failures :]

    def _access(self) -> list[Request]:
        text = (self.root / "access.log").read_text()
        # nginx may be writing to it: what has no end yet is not read.
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [Request(**json.loads(line)) for line in lines]

    def _handshakes(self) -> list[str]:
        lines = (self.root / "error.log").read_text().splitlines()
        return [line for line in lines if "handshak" in line.lower() or "SSL_do" in line]

    def _settle(self) -> None:
        """Wait until all that was answered before now is in the log: one process, one queue."""
        uri = f"/mark?{next(self._marks)}"
        context = ssl.create_default_context(cafile=str(self.root / "server-ca.pem"))
        context.load_cert_chain(str(self.root / "mark.pem"))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context)
        connection.request("GET", uri)
        status = connection.getresponse().status
        connection.close()
        if status != 204:
            raise AssertionError(f"the server answers the tests' own client with {status}")
        deadline = time.monotonic() + 10
        while not any(entry.uri == uri for entry in self._access()):
            if time.monotonic() > deadline:
                raise AssertionError("nginx does not log its answers")
            time.sleep(0.005)


@contextlib.contextmanager
def running(config: str = CONFIG) -> Iterator[Server]:
    """Run nginx, with authorities of its own, for as long as the context lasts."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        raise AssertionError("nginx is missing: tests/run installs it")
    with tempfile.TemporaryDirectory(prefix="mr-nginx-") as folder:
        root = Path(folder)
        server_ca, client_root = Authority.create("Server Root"), Authority.create("Client Root")
        issuer = client_root.intermediate("Client Issuer")
        own = server_ca.issue("localhost", server=True, hosts=("localhost", "127.0.0.1", "::1"))
        (root / "server.pem").write_bytes(own.cert_pem)
        (root / "server.key").write_bytes(own.key_pem())
        (root / "server-ca.pem").write_bytes(server_ca.pem)
        (root / "client-root.pem").write_bytes(client_root.pem)
        (root / "mark.pem").write_bytes(issuer.issue("mark").pem())
        write_index(root / "www")
        held, port = bound_pair(shared=True)
        process = start(program, root, port, config)
        try:
            yield Server(root, port, server_ca, client_root, issuer, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
            for one in held:
                one.close()


def start(program: str, root: Path, port: int, config: str = CONFIG) -> subprocess.Popen[bytes]:
    """Start nginx on this port, which nobody else can take, and wait until it answers."""
    text = config.format(root=root, port=port, backend=_git_backend())
    (root / "nginx.conf").write_text(text)
    files = ["-c", str(root / "nginx.conf"), "-e", str(root / "error.log")]
    process = subprocess.Popen(
        [program, "-p", str(root), *files],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
            return process
        time.sleep(0.01)
    raise AssertionError(f"nginx does not start:\n{(root / 'error.log').read_text()}")


def _git_backend() -> str:
    """Return the path of git's CGI program."""
    command = ["git", "--exec-path"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return f"{done.stdout.strip()}/git-http-backend"
