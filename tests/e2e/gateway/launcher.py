"""Start a gateway as mtls-run does, and become the command: `launcher.py SETTINGS COMMAND…`.

SETTINGS is JSON: `identity` and `roots` (paths of PEM files), `host`, `fails` (an error to raise
before it is ready), `verbose`, `uid` (the user to become first; takes root), `descriptors` (the
limit of the gateway). The command finds the proxy's URL and the CA's path in its environment.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - root alone may be able to read it later
import json
import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

from mtls_run.config.scope import HostPattern, Scope
from mtls_run.errors import MtlsRunError
from mtls_run.handoff.gateway import contexts, process
from mtls_run.handoff.gateway.settings import ScopedIdentity, Settings
from mtls_run.output import Reporter
from mtls_run.secret import Secret
from mtls_run.system import libc


def become(uid: int) -> None:
    """Become this user, and dumpable again, as a process of that user's is from its start."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    libc.function("prctl")(4, 1, 0, 0, 0)


def start(settings: Settings, reporter: Reporter, descriptors: int | None) -> tuple[str, bytes]:
    """Start the gateway, and return the proxy's URL and the CA.

    A hard limit cannot be raised again, so a child lowers it and starts the gateway for us.
    """
    if descriptors is None:
        running = process.start(settings, os.getpid(), reporter)
        return running.proxy_url, running.ca_pem
    reader, writer = os.pipe()
    tool = os.getpid()
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
        running = process.start(settings, tool, reporter)
        os.write(writer, running.proxy_url.encode() + b"\n" + running.ca_pem)
        os._exit(0)
    os.close(writer)
    os.wait()
    with os.fdopen(reader, "rb") as stream:
        url, _, ca_pem = stream.read().partition(b"\n")
    return url.decode(), ca_pem


def main() -> NoReturn:
    """Start both."""
    told = json.loads(sys.argv[1])
    pem = Secret(Path(told["identity"]).read_bytes())
    scope = Scope((HostPattern.parse(told["host"]),))

    def open_first() -> None:
        if told.get("fails"):
            raise MtlsRunError(told["fails"], hint="another PIN", status=125, code="pin-wrong")

    settings = Settings(
        (ScopedIdentity("it", scope, lambda context: contexts.load_pem(context, pem)),),
        Path(told["roots"]).read_bytes(),
        frozenset({"GET", "HEAD"}),
        lambda _host, _port: None,
        open_first,
    )
    if told.get("uid"):
        become(told["uid"])
    reporter = Reporter(verbose=told.get("verbose", False))
    try:
        url, ca_pem = start(settings, reporter, told.get("descriptors"))
    except MtlsRunError as error:
        reporter.error(error)
        sys.stdout.write(f"{error.status} {error.code}\n")
        sys.exit(error.status)
    ca = Path(told["identity"]).with_name("run-ca.pem")
    if not told.get("uid"):
        ca.write_bytes(ca_pem)
    environ = {**os.environ, "HTTPS_PROXY": url, "HTTP_PROXY": url}
    environ |= {"PIP_CERT": str(ca), "SSL_CERT_FILE": str(ca)}
    os.execve(sys.argv[2], sys.argv[2:], environ)


if __name__ == "__main__":
    main()
