"""The launch plan: what will be started, with which arguments and variables. A pure function."""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.cache import dependencies
from mtls_run.passphrase.sources import FromVariable
from mtls_run.record import Record
from mtls_run.tools import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.pip_settings import PipSettings
    from mtls_run.config.profile import Profile
    from mtls_run.tools.base import Adapter, ToolCall, Version
    from mtls_run.tools.tls_files import TlsFiles


class Target(Record):
    """The tool as it was found: the call, the program's path, its adapter and its version."""

    call: ToolCall
    path: str
    adapter: Adapter
    version: Version | None = None

    def pip_settings(self, environ: Mapping[str, str]) -> PipSettings:
        """Return pip's own settings as they count for this call.

        A virtual environment's file counts for its own pip alone: what a repository brings in
        `.venv/pip.conf` is nothing to uv.
        """
        from mtls_run.config import pip_settings  # noqa: PLC0415 - only where no profile applies

        environment = Path(self.path).parent.parent
        is_pip = self.call.kind == "pip"
        dependencies.file(environment / "pyvenv.cfg")
        is_own = is_pip and (environment / "pyvenv.cfg").is_file()
        return pip_settings.read(
            environ,
            command=self.adapter.pip_command(self.call),
            prefix=environment if is_own else None,
            isolated=is_pip and "--isolated" in self.call.arguments,
        )


class LaunchPlan(Record):
    """The program, its whole argv, and the variables to set (or with None to unset).

    `flags` are those of argv that the user did not type.
    """

    path: str
    argv: tuple[str, ...]
    changes: Mapping[str, str | None]
    flags: tuple[str, ...] = ()

    def environ(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the tool's whole environment."""
        return variables.apply(dependencies.plain(before), self.changes)


def unchanged(target: Target) -> LaunchPlan:
    """Return the plan that runs the tool as it was called."""
    call = target.call
    return LaunchPlan(target.path, (target.path, *call.prefix[1:], *call.arguments), {})


def prepare(
    target: Target,
    profile: Profile,
    trust: TlsFiles,
    added: Mapping[str, str | None],
    environ: Mapping[str, str],
) -> LaunchPlan:
    """Return the plan that hands `trust` to the tool; `added` has further variables.

    The user's arguments stay as they are and in order; what is added stands before them.
    """
    call, adapter = target.call, target.adapter
    overrides = adapter.overrides(call)
    changes = variables.for_all(trust, environ)
    if profile.yields:
        for name in variables.set_for_uv(environ):
            changes.pop(name, None)
    if overrides.client_cert is not None:
        # The user's own identity is the one of this run, for whatever the tool starts as well.
        own = os.path.abspath(overrides.client_cert)  # noqa: PTH100 - `..` is the user's to mean
        changes.update(PIP_CLIENT_CERT=own, SSL_CLIENT_CERT=own)
    changes.update(adapter.variables(target.version, trust, overrides, environ))
    changes.update(added)
    source = profile.passphrase.value
    if isinstance(source, FromVariable):
        changes[source.name] = None
    flags = adapter.flags(target.version, trust, overrides)
    argv = (target.path, *call.prefix[1:], *flags, *call.arguments)
    return LaunchPlan(target.path, argv, changes, flags)
