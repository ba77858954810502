"""`mtls-run profile renew`: renew identities by their commands, as a timer does."""

from __future__ import annotations

import time

from mtls_run.commands import Context, say
from mtls_run.commands.profile_show import here
from mtls_run.config import layers
from mtls_run.config.origin import Origin
from mtls_run.config.profile import Profile
from mtls_run.errors import FAILED, ConfigurationError, MtlsRunError
from mtls_run.handoff import nested
from mtls_run.identity import remembered, source
from mtls_run.renewal import files, printed, report, state

_KEYS = "renew = { command = […] }, or client-cert = { command = […] }"


def renew(context: Context, name: str | None, *, every: bool) -> int:
    """Renew the profile `name`, the one that applies here, or `every` one; return the status.

    With `every`, one that fails does not stop the others.
    """
    configured = layers.load(context.environ)
    if every:
        named = [configured.profile(one, Origin("--all")) for one in configured.profiles]
        found = [part for profile in named for part in _parts(profile)]
        if not found:
            say(f"no profile in {configured.user_file} has a command that renews it")
    else:
        profile = here(context, configured, name).profile
        if profile is None:
            raise ConfigurationError(
                "no profile applies here", hint="name a profile: mtls-run profile renew NAME"
            )
        found = _parts(profile)
        if not found:
            raise ConfigurationError(
                f"{profile.label} has no command that renews its identity", hint=f"add {_KEYS}"
            )
    status = 0
    for part, key in found:
        try:
            say(f"{part.label}: {_renewed(context, part, key)}")
        except MtlsRunError as error:
            if not every:
                raise
            context.reporter.error(error)
            status = FAILED
    return status


def _parts(profile: Profile) -> list[tuple[Profile, str]]:
    """Return the identities of the profile that a command gives or renews, with their digests."""
    keys = [(part, nested.renewal_key(part)) for part in (profile, *profile.identities)]
    return [(part, key) for part, key in keys if key is not None]


def _renewed(context: Context, profile: Profile, key: str) -> str:
    """Renew the identity where that is due, and return what came of it."""
    started = time.time()
    environ, reporter = context.environ, context.reporter
    if source.is_printed(profile):
        obtained = printed.obtain(printed.Request(profile, key, environ, reporter, is_asked=True))
        life, kept = obtained.life, obtained.pem_sha256 is not None
        outcome = "its command printed a new identity"
    else:
        contents = files.current(files.Request(profile, key, environ, reporter, is_asked=True))
        found = files.life(profile, contents)
        if found is None:
            return "a passphrase hides its certificate until a tool has been run with it"
        life, kept, outcome = found, True, "renewed"
    last = state.load(key)
    if not kept:
        none = "" if remembered.is_possible() else ": this login has no session keyring"
        return f"{outcome}, valid until {report.moment(life.ends)}, and not kept{none}"
    if last.at >= started and last.failures:
        raise MtlsRunError(last.said, hint="see what its command does", code="renewal-failed")
    if last.at < started:
        outcome = "not due"
    return (
        f"{outcome}, valid until {report.moment(life.ends)}, due from {report.moment(life.due_at)}"
    )
