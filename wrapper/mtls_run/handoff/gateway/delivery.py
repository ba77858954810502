"""Start the gateway of a run, or join that of an outer one; what the tool is handed either way."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.cache import notices
from mtls_run.cache.dependencies import Dependencies
from mtls_run.errors import HandoffError
from mtls_run.handoff import nested, private_file, supervise
from mtls_run.handoff.base import Delivery, InPlace
from mtls_run.handoff.gateway import identities, outer, process
from mtls_run.handoff.gateway.settings import ExpiryNotice, Settings
from mtls_run.output.text import quoted
from mtls_run.roots import stores
from mtls_run.system import anonymous_file
from mtls_run.system.digests import sha256
from mtls_run.system.urls import without_passwords
from mtls_run.tools.base import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.config.profile import Profile
    from mtls_run.handoff.base import Request
    from mtls_run.handoff.gateway.identities import Holder
    from mtls_run.handoff.gateway.process import Running
    from mtls_run.net.proxy import Proxy

# Each reads from the index; what sends to it is allowed to the calls that publish.
READING = frozenset({"GET", "HEAD"})


def join(name: str, request: Request) -> Joined | None:
    """Return the handoff by an outer gateway that serves the same, or None."""
    found = outer.find(request.environ)
    sends = request.target.tool.publishes(request.target.call)
    if found is None or (sends and not found.publishes):
        return None
    roots = _roots(request)
    if found.meaning != _meaning(request, roots):
        return None
    request.reporter.detail("an outer mtls-run has a gateway for this profile")
    bundle = anonymous_file.hold(_with_ca(roots, found.ca_pem), "mtls-run-roots")
    return Joined(name, "", bundle=bundle, proxy=found.proxy_url)


def start(name: str, request: Request) -> GatewayDelivery:
    """Start the gateway; raises HandoffError where that is not possible."""
    roots = _roots(request)
    _check_route(request)
    holders = identities.of(request)
    for _, holder in holders:
        holder.prepare()
    settings = _settings(request, roots, holders)
    if sys.platform.startswith("linux"):
        running = process.start(settings, os.getpid(), request.reporter)
    else:
        running = process.start_in_process(settings, request.reporter)
    for profile, holder in holders:
        if profile is request.profile:
            holder.started()
    if running.expiry_notice is not None:
        fact, fingerprint = running.expiry_notice
        notices.give_once_a_day(fact, fingerprint, request.reporter)
    return GatewayDelivery(name, running, roots, request.environ)


@dataclass(frozen=True)
class Joined(InPlace):
    """The gateway of an outer mtls-run; `bundle` has the roots and the CA of that run."""

    bundle: str = ""
    proxy: str = field(default="", repr=False)

    def tls_files(self, bundle: str | None, *, native: bool) -> TlsFiles:
        """Return what the tool is handed: the outer gateway, and its CA."""
        return TlsFiles(identity=None, bundle=self.bundle, native=False, proxy=self.proxy)


class GatewayDelivery(Delivery):
    """A running gateway, and the roots that the tool trusts, with the CA of this run."""

    def __init__(
        self, name: str, running: Running, roots: bytes, environ: Mapping[str, str]
    ) -> None:
        self.needs_parent = not sys.platform.startswith("linux")
        self._running = running
        self._file = None
        content = _with_ca(roots, running.ca_pem)
        try:
            if self.needs_parent:
                self._file = private_file.create(content, environ)
                path = str(self._file.path)
            else:
                path = anonymous_file.hold(content, "mtls-run-roots")
        except BaseException:
            running.close()
            raise
        tls = TlsFiles(identity=None, bundle=path, native=False, proxy=running.proxy_url)
        super().__init__(name, None, tls)

    def run(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool as a child while the gateway serves it."""
        block = supervise.Block()
        try:
            return supervise.run(path, argv, environ, block)
        finally:
            block.release()

    def close(self) -> None:
        """End the gateway."""
        self._running.close()
        if self._file is not None:
            self._file.remove()


def _roots(request: Request) -> bytes:
    """Return the profile's roots as PEM, on every system."""
    roots = request.roots
    if roots.bundle is not None:
        return roots.bundle.content
    if roots.file is not None:
        return Path(roots.file).read_bytes()
    return stores.system_content(Dependencies())


def _with_ca(roots: bytes, ca_pem: bytes) -> bytes:
    return roots.rstrip(b"\n") + b"\n" + ca_pem


def _meaning(request: Request, roots: bytes) -> str:
    """Return a digest of the profile, the files of its identities, and its roots."""
    found = sha256(roots)
    if request.material is not None:
        found.update(nested.digest(request.profile, request.material.digest).encode())
    for profile, material in request.further:
        found.update(nested.digest(profile, getattr(material, "digest", "")).encode())
    return found.hexdigest()


def _check_route(request: Request) -> None:
    """Raise HandoffError where the user's own settings and the gateway exclude each other."""
    own_roots = request.target.tool.overrides(request.target.call).cert
    if own_roots is not None:
        raise HandoffError(
            f"--cert {own_roots} makes {request.target.call.kind} refuse the gateway, whose CA is "
            "made for each run",
            hint="leave --cert away, and name the CA in the profile: ca-cert = …",
        )
    environ = {name: value for name, value in request.environ.items() if name != "PIP_PROXY"}
    target = request.target
    found = target.tool.proxies(target, environ, Path.cwd()).beats_variables()
    if found is not None:
        url = without_passwords(found.value)
        raise HandoffError(
            f"{found.origin} names a proxy, by which {target.call.kind} would go past the gateway",
            hint="remove it there, and name the proxy where the gateway uses it: "
            f"export HTTPS_PROXY={quoted(url if '://' in url else f'http://{url}')}",
        )


def _settings(
    request: Request, roots: bytes, holders: Sequence[tuple[Profile, Holder]]
) -> Settings:

    environ = {**request.environ, **request.handed_over}
    proxies = request.target.tool.proxies(request.target, environ, Path.cwd())

    def find_proxy(host: str, port: int) -> Proxy | None:
        return outer.passing(proxies.find(host, port), request.environ)

    def open_first() -> ExpiryNotice | None:
        """Open the profile's own identity, so that a wrong PIN stops the run."""
        own = (holder for profile, holder in holders if profile is request.profile)
        found = next(own, None)
        return found.open() if found else None

    sends = request.target.tool.publishes(request.target.call)
    return Settings(
        identities=tuple(identities.scoped(profile, holder) for profile, holder in holders),
        roots=roots,
        methods=None if sends else READING,
        find_proxy=find_proxy,
        open_first=open_first,
        meaning=_meaning(request, roots),
    )
