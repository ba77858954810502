"""The launch plan: with which arguments and variables a tool is started. Pure functions."""

from __future__ import annotations

import os

from mtls_run.cache.launches import Launch
from mtls_run.tools import registry, tox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.config.profile import Profile
    from mtls_run.tools.base import Target, TlsFiles, Variables


def prepare(
    target: Target,
    profile: Profile,
    tls: TlsFiles,
    added: Variables,
    environ: Mapping[str, str],
) -> Launch:
    """Return the launch that hands `tls` to the tool; `added` has further variables."""
    tool = target.tool
    overrides = tool.overrides(target.call)
    # A gateway takes the place of a proxy in `added`.
    variables = {**added, **registry.shared_variables(tls, environ, tool)}
    if profile.yields:
        for name in registry.ambient(environ):
            variables.pop(name, None)
    if overrides.client_cert is not None:
        # The user's own identity is the identity of this run, for what the tool starts as well.
        own = os.path.abspath(overrides.client_cert)
        variables.update(registry.identity_variables(own))
    variables.update(tool.own_variables(target.version, tls, overrides, environ))
    variables.update(dict.fromkeys(profile.passphrase_variables))
    variables.update(tox.pass_on(variables, environ))
    return Launch(flags=tool.flags(target.version, tls, overrides), variables=variables)
