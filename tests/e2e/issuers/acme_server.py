"""acme2certifier over TLS, on a port of its own that it prints: acme_server.py CERTIFICATE KEY."""

from __future__ import annotations

import ssl
import sys
from wsgiref.simple_server import make_server

from acme2certifier.share import acme2certifier_wsgi as acme  # type: ignore[import-not-found]

server = make_server("127.0.0.1", 0, acme.application, handler_class=acme.get_handler_cls())
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(*sys.argv[1:])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.base_environ["HTTPS"] = "on"
sys.stdout.write(f"{server.server_port}\n")
sys.stdout.flush()
server.serve_forever()
