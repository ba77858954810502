"""What the matrix asks of the index beyond what other tests do: an application, pip, and uploads.

`delta-app` is a wheel with a command of its own name, which prints the version of `alpha-pkg`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e import server
from tests.e2e.packages import add_project, wheel
from tests.e2e.toolbox import Tool, newest_pip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.server import Server

DELTA = "3.1"
# What the index has of pip: the newest, which pipx asks for, and one that no virtualenv brings.
OTHER_PIP = "25.0.1"

_SOURCE = (
    f"VERSION = '{DELTA}'\n\ndef main():\n    import alpha_pkg\n    print(alpha_pkg.VERSION)\n"
)
_ENTRY = "[console_scripts]\ndelta-app = delta_app:main\n"

# The body of an upload is kept as a file, and its path is logged.
_HTTP = """
  log_format upload escape=json '{{"status":$status,"verify":"$ssl_client_verify",'
    '"subject":"$ssl_client_s_dn","method":"$request_method","body":"$request_body_file"}}';
  server {{
    listen unix:{root}/behind;
    access_log off;
    location / {{ return 200; }}
  }}
"""
_LOCATION = """
    location = /upload/ {{
      access_log {root}/access.log entry;
      access_log {root}/uploads.log upload;
      client_body_in_file_only on;
      proxy_pass http://unix:{root}/behind;
    }}
"""


@dataclass(frozen=True)
class Upload:
    """One line of the log of uploads."""

    status: int
    verify: str
    subject: str
    method: str
    body: str
    """The file that holds what was sent."""


def application() -> tuple[str, bytes]:
    """Return the name and the bytes of the wheel that has a command."""
    plain = wheel("delta_app", DELTA, _SOURCE, ("alpha-pkg",))
    with zipfile.ZipFile(io.BytesIO(plain)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    info = f"delta_app-{DELTA}.dist-info"
    del files[f"{info}/RECORD"]
    files[f"{info}/entry_points.txt"] = _ENTRY.encode()
    lines = [f"{name},{_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return f"delta_app-{DELTA}-py3-none-any.whl", buffer.getvalue()


def uploads(found: Server) -> list[Upload]:
    """Return all uploads since the server was started."""
    path = found.root / "uploads.log"
    return [Upload(**json.loads(line)) for line in path.read_text().splitlines()]


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Run the index of the other tests, with these packages, and a place to upload to."""
    with server.running(_config()) as found:
        add_project(found.root / "www", "delta-app", dict([application()]))
        wheels = [one.wheel() for one in {Tool("pip", OTHER_PIP), newest_pip()}]
        contents = {path.name: path.read_bytes() for path in wheels}
        add_project(found.root / "www", "pip", contents)
        yield found


def _config() -> str:
    """Return nginx's configuration for the other tests, with the place to upload to."""
    first, mark = "  server {{", "    location = /mark"
    assert server.CONFIG.count(first) == server.CONFIG.count(mark) == 1
    return server.CONFIG.replace(mark, _LOCATION + mark).replace(first, _HTTP + first)


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
