"""Make a TLS connection as pip makes it. Run by pip's own interpreter, as `python -I pip_probe.py`.

Only that interpreter knows its OpenSSL, its security level, and how strict it is; only that pip
knows the options that it sets. So this uses the urllib3 that pip brings along. It reads one JSON
object from stdin and writes one to stdout. It runs on Python 3.6 to 3.14 and imports nothing else
of mtls-run.
"""

import http.client
import importlib
import json
import os
import socket
import ssl
import sys
import tempfile
from typing import Any, Dict, Optional, Set

_MOST_TEXT = 4096
Answer = Dict[str, Any]


def main() -> None:
    """Answer the request on stdin."""
    asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    found: Answer = {
        "python": "%d.%d" % sys.version_info[:2],
        "openssl": ssl.OPENSSL_VERSION.rpartition(" (")[0] or ssl.OPENSSL_VERSION,
    }
    try:
        found.update(_load(asked) if asked["socket"] is None else _connect(asked))
    except ImportError:
        raise  # a pip of another make: nothing is known of it
    except Exception as error:  # whatever it is, it is what stops pip
        found.update(_explained(error))
    sys.stdout.write(json.dumps(found))


def _load(asked: Answer) -> Answer:
    """Load the certificates of an identity, without its key, as far as OpenSSL takes them."""
    sys.path.insert(0, asked["pip"])
    create_context = importlib.import_module("pip._vendor.urllib3.util.ssl_").create_urllib3_context
    descriptor, path = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(asked["certificates"])
        create_context().load_cert_chain(path)
    except ssl.SSLError as error:
        # OpenSSL looks at the certificates first. The key is missing, as it should be.
        if error.reason in asked["weak"]:
            raise
    finally:
        os.unlink(path)
    return {"done": True}


def _connect(asked: Answer) -> Answer:
    """Send one request over the connected socket that was inherited."""
    connected = socket.socket(fileno=asked["socket"])
    connected.settimeout(asked["timeout"])
    if asked["pip"] is None:
        return _connect_plainly(asked, connected)
    sys.path.insert(0, asked["pip"])
    pools: Any = importlib.import_module("pip._vendor.urllib3.connectionpool")
    ordinary: Any = pools.HTTPSConnectionPool.ConnectionCls

    class Connection(ordinary):  # type: ignore[misc]
        """A connection over the socket that is there; urllib3's own SOCKS support does the same."""

        def _new_conn(self) -> socket.socket:
            return connected

    options: Answer = {"cert_reqs": "CERT_REQUIRED", "ca_certs": asked["roots"]}
    if asked["identity"] is not None:
        options["cert_file"] = asked["identity"]
    if asked["truststore"]:
        options.update(_truststore(asked["roots"]))
    pool = pools.HTTPSConnectionPool(
        asked["host"], asked["port"], maxsize=1, timeout=asked["timeout"], **options
    )
    pool.ConnectionCls = Connection
    answer = pool.request(
        "GET",
        asked["target"],
        headers=asked["headers"],
        retries=False,
        redirect=False,
        preload_content=False,
    )
    text = answer.read(_MOST_TEXT, decode_content=True)
    return {"done": True, "status": answer.status, "text": text.decode("utf-8", "replace")}


def _connect_plainly(asked: Answer, connected: socket.socket) -> Answer:
    """Do the same without a pip: show the identity also to a server that asks after the request."""
    context = ssl.create_default_context(cafile=asked["roots"])
    context.post_handshake_auth = True
    context.load_cert_chain(asked["identity"])
    connection = http.client.HTTPConnection(asked["host"], asked["port"])
    connection.sock = context.wrap_socket(connected, server_hostname=asked["host"])
    connection.request("GET", asked["target"], headers=asked["headers"])
    answer = connection.getresponse()
    text = answer.read(_MOST_TEXT).decode("utf-8", "replace")
    return {"done": True, "status": answer.status, "text": text}


def _truststore(roots: Optional[str]) -> Answer:
    """Return what pip 24.2 and newer add where nobody says --use-deprecated=legacy-certs."""
    certifi = importlib.import_module("pip._vendor.certifi")
    found: Answer = {"ca_certs": roots or certifi.where()}
    try:
        truststore = importlib.import_module("pip._vendor.truststore")
    except ImportError:  # before Python 3.10
        return found
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    found["ssl_context"] = context
    return found


def _explained(error: BaseException) -> Answer:
    """Return what an exception says, and the one of ssl below it."""
    below = _below(error, set())
    chosen = below or error
    return {
        "done": False,
        "kind": type(chosen).__name__,
        "reason": getattr(chosen, "reason", None) if below else None,
        "verify_code": getattr(chosen, "verify_code", None),
        "message": str(getattr(chosen, "verify_message", None) or chosen)[:_MOST_TEXT],
    }


def _below(error: object, seen: Set[int]) -> Optional[BaseException]:
    """Return the first error of ssl, or of the connection, in an exception and its causes."""
    if not isinstance(error, BaseException) or id(error) in seen:
        return None
    seen.add(id(error))
    is_name = type(error).__name__ == "CertificateError"  # pip's own, and that of ssl
    if isinstance(error, (ssl.SSLError, ConnectionError, socket.timeout)) or is_name:
        return error
    nearby = [getattr(error, "reason", None), error.__cause__, error.__context__]
    for one in [*error.args, *nearby]:
        found = _below(one, seen)
        if found is not None:
            return found
    return None


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # what is left of the connection is nobody's
