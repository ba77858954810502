"""The handoff by the gateway: its settings, taken from the run, and what the tool is handed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import HandoffError
from mtls_run.handoff.base import Delivering, Delivery, InPlace
from mtls_run.tools.base import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.config.profile import Profile
    from mtls_run.handoff.base import Request
    from mtls_run.handoff.gateway.identities import Holder
    from mtls_run.handoff.gateway.process import Running
    from mtls_run.handoff.gateway.settings import Settings
    from mtls_run.net.proxy import Proxy

# Each reads from the index; what sends to it is allowed to the calls that publish.
_PACKAGES = ("h11",)
READING = frozenset({"GET", "HEAD"})


class GatewayHandoff(Delivering):
    """A proxy on loopback that keeps the key in a process of its own."""

    def tls_files(self, bundle: str | None, *, native: bool) -> TlsFiles:
        """Return what the tool will be handed, as --explain shows it."""
        return TlsFiles(
            identity=None,
            bundle="(in memory: the roots, and the CA of this run)",
            native=False,
            proxy="http://127.0.0.1:PORT",
        )

    def check(self) -> None:
        """Raise HandoffError where the packages of the extra `gateway` are missing."""
        from importlib.util import find_spec  # noqa: PLC0415 - for the gateway alone

        from mtls_run.system import installer  # noqa: PLC0415 - as above

        missing = [name for name in _PACKAGES if find_spec(name) is None]
        if missing:
            raise HandoffError(
                f"the gateway needs {' and '.join(missing)}, which mtls-run was installed without",
                hint=installer.add_command("gateway"),
            )

    def join(self, request: Request) -> InPlace | None:
        """Return the handoff by an outer gateway that serves the same, or None."""
        is_linux = sys.platform.startswith("linux")  # elsewhere no file is held for the tool
        if not is_linux or not request.environ.get("HTTPS_PROXY", "").startswith(
            "http://mtls-run:"
        ):
            return None
        from mtls_run.handoff.gateway import outer  # noqa: PLC0415 - for the gateway alone
        from mtls_run.system import anonymous_file  # noqa: PLC0415 - as above

        found = outer.find(request.environ)
        sends = request.target.tool.publishes(request.target.call)
        if found is None or (sends and not found.publishes):
            return None
        roots = _roots(request)
        if found.meaning != _meaning(request, roots):
            return None
        request.reporter.detail("an outer mtls-run has a gateway for this profile")
        bundle = anonymous_file.hold(_with_ca(roots, found.ca_pem), "mtls-run-roots")
        return Joined(self.name, "", bundle=bundle, proxy=found.proxy_url)

    def deliver(self, request: Request) -> Delivery:
        """Start the gateway; raises HandoffError where that is not possible."""
        from mtls_run.handoff.gateway import identities, process  # noqa: PLC0415 - as above

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
        return GatewayDelivery(self.name, running, roots, request.environ)


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
        from mtls_run.handoff import private_file  # noqa: PLC0415 - as above
        from mtls_run.system import anonymous_file  # noqa: PLC0415 - as above

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
        from mtls_run.handoff import supervise  # noqa: PLC0415 - as above

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
    from mtls_run.cache.dependencies import Dependencies  # noqa: PLC0415 - as above
    from mtls_run.roots import stores  # noqa: PLC0415 - as above

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
    from mtls_run.handoff import nested  # noqa: PLC0415 - as above
    from mtls_run.system.digests import sha256  # noqa: PLC0415 - as above

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
        raise HandoffError(
            f"{found.origin} names a proxy, by which {target.call.kind} would go past the gateway",
            hint="remove it there, and set HTTPS_PROXY to that proxy: the gateway uses it",
        )


def _settings(
    request: Request, roots: bytes, holders: Sequence[tuple[Profile, Holder]]
) -> Settings:
    from mtls_run.handoff.gateway import identities, outer  # noqa: PLC0415 - as above
    from mtls_run.handoff.gateway.settings import Settings  # noqa: PLC0415 - as above

    environ = {**request.environ, **request.handed_over}
    proxies = request.target.tool.proxies(request.target, environ, Path.cwd())

    def find_proxy(host: str, port: int) -> Proxy | None:
        return outer.passing(proxies.find(host, port), request.environ)

    def open_first() -> None:
        """Open the profile's own identity, so that a wrong PIN stops the run."""
        for profile, holder in holders:
            if profile is request.profile:
                holder.open()

    sends = request.target.tool.publishes(request.target.call)
    return Settings(
        identities=tuple(identities.scoped(profile, holder) for profile, holder in holders),
        roots=roots,
        methods=None if sends else READING,
        find_proxy=find_proxy,
        open_first=open_first,
        meaning=_meaning(request, roots),
    )
