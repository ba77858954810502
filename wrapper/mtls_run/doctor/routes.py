"""The route of each tool to an index: through which proxy it goes, by the tool's own rules."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mtls_run.config.pip_settings import PipSettings
from mtls_run.doctor.findings import Finding, finding, from_error
from mtls_run.doctor.indexes import FURTHER, Index
from mtls_run.errors import MtlsRunError
from mtls_run.net.errors import NetworkError
from mtls_run.net.proxy import Proxy
from mtls_run.tools.base import Target, ToolCall
from mtls_run.tools.pip import TOOL as PIP
from mtls_run.tools.proxies import Proxies
from mtls_run.tools.uv import TOOL as UV

# What a tool is asked about: an installation, for uv by `uv pip`.
_ARGUMENTS = {PIP.KIND: ("install",), UV.KIND: ("pip", "install")}
_TOOLS = (PIP, UV, *FURTHER)
_LONGEST_IMPORT = 10.0


class Routes:
    """The proxies of the tools here, and the variables that a run would hand to `uv pip`."""

    def __init__(
        self,
        targets: Iterable[Target],
        pip_settings: PipSettings | None,
        environ: Mapping[str, str],
        directory: Path,
    ) -> None:
        here = {target.tool.KIND: target for target in targets}
        self._here = frozenset(here)
        self.findings: list[Finding] = []
        self.handed_over: Mapping[str, str] = {}
        self._targets: dict[str, Target] = {}
        self._proxies: dict[str, Proxies] = {}
        for tool in _TOOLS:
            call = ToolCall(tool.KIND, (tool.KIND,), _ARGUMENTS.get(tool.KIND, ()))
            found = here.get(tool.KIND)  # for one that is not here, the newest one's rules count
            path, version = (found.path, found.version) if found is not None else (tool.KIND, None)
            target = Target(tool, call, path, version)
            variables: Mapping[str, str] = {}
            try:
                if pip_settings is not None:
                    variables = tool.handed_over(call, pip_settings, environ, directory).variables
                    self.handed_over = {**self.handed_over, **variables}
                proxies = tool.proxies(target, {**environ, **variables}, directory)
            except MtlsRunError as error:
                self.findings.append(from_error(error))
                continue
            self._targets[tool.KIND] = target
            self._proxies[tool.KIND] = proxies

    def apply(self, indexes: Sequence[Index]) -> tuple[Index, ...]:
        """Return each index with its route, twice where the tools that ask for it have two."""
        return tuple(routed for index in indexes for routed in self._routed(index))

    def _routed(self, index: Index) -> list[Index]:
        found: dict[tuple[object, ...], Index] = {}
        # An index of a tool that is not here is examined all the same.
        asked_by = [kind for kind in index.asked_by if kind in self._here] or index.asked_by
        for kind in asked_by:
            proxies = self._proxies.get(kind)
            if proxies is None:
                continue
            route: Proxy | NetworkError | None
            try:
                route = proxies.find(index.host, index.port)
            except NetworkError as error:
                route = error
            bypass = proxies.bypassed_by(index.host, index.port)
            same = found.get(_key(route))
            kinds = (kind,) if same is None else (*same.asked_by, kind)
            bypass = bypass or (same.bypass if same is not None else None)
            found[_key(route)] = replace(index, asked_by=kinds, route=route, bypass=bypass)
        if len(found) > 1:
            self.findings.append(_differ(index, list(found.values())))
        for one in found.values():
            self._check_socks(one)
        return list(found.values()) or [index]

    def _check_socks(self, index: Index) -> None:
        """Report a pip that lacks what it needs for a SOCKS proxy."""
        route, target = index.route, self._targets.get(PIP.KIND)
        if not isinstance(route, Proxy) or target is None or PIP.KIND not in index.asked_by:
            return
        if route.scheme.startswith("socks") and not _has_pysocks(target.path):
            self.findings.append(
                finding(
                    "proxy-needs-pysocks",
                    f"pip cannot use the SOCKS proxy {route.shown}, by {route.origin}, without "
                    f"PySocks, so it cannot reach {index.shown}",
                    "install PySocks for that pip without the proxy, or name an HTTP proxy",
                    origin=index.origin,
                )
            )


def _key(route: Proxy | NetworkError | None) -> tuple[object, ...]:
    if isinstance(route, Proxy):
        password = route.password.reveal() if route.password is not None else None
        return route.scheme, route.host, route.port, route.user, password
    return (type(route).__name__, str(route))


def _differ(index: Index, found: Sequence[Index]) -> Finding:
    ways = ", and ".join(f"{' and '.join(one.asked_by)} {_way(one)}" for one in found)
    return finding(
        "proxy-differs",
        f"{index.shown}: {ways}",
        "name the host in NO_PROXY by itself or as .DOMAIN, without `*` or a port, and each "
        "proxy as http://HOST:PORT: every pip and uv reads these alike",
        origin=index.origin,
    )


def _way(index: Index) -> str:
    if isinstance(index.route, Proxy):
        return f"goes through {index.route.shown}, by {index.route.origin}"
    if isinstance(index.route, NetworkError):
        return f"stops: {index.route.reason}"
    return f"goes directly, by {index.bypass}" if index.bypass else "goes directly"


def _has_pysocks(pip: str) -> bool:
    """Tell whether the Python beside this pip can import PySocks."""
    interpreter = os.path.join(os.path.dirname(os.path.realpath(pip)), "python")
    if not os.path.exists(interpreter):
        interpreter = os.path.join(os.path.dirname(pip), "python3")
    try:
        asked = subprocess.run(
            [interpreter, "-I", "-c", "import socks"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LONGEST_IMPORT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0
