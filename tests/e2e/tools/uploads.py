"""What stands behind nginx's /legacy/: it keeps each upload, and knows no package."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Upload:
    """One POST: the subject that nginx saw, and the form with the file."""

    subject: str
    body: bytes


@contextlib.contextmanager
def receiving(root: Path) -> Iterator[list[Upload]]:
    """Yield the list that gets the uploads to the nginx in this directory."""
    found: list[Upload] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.append(Upload(self.headers["X-Client"], body))
            self._answer(200)

        def do_GET(self) -> None:
            self._answer(404)

        def address_string(self) -> str:
            return "nginx"  # a Unix socket has no address

        def log_message(self, *_: object) -> None:
            """Say nothing: nginx logs the request."""

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

    path = root / "uploads"
    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        path.chmod(0o666)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
            path.unlink()
