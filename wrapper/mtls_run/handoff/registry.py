"""The ways to hand on an unlocked identity, and which of them a run uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run import cli
from mtls_run.config.profile import GATEWAY as NAME_OF_GATEWAY
from mtls_run.errors import HandoffError, UsageError
from mtls_run.handoff.gateway.handoff import GatewayHandoff
from mtls_run.handoff.memfd import Memfd
from mtls_run.handoff.private_file import PrivateFileHandoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cli import Options
    from mtls_run.config.policy import Policy
    from mtls_run.config.profile import Profile
    from mtls_run.handoff.base import Delivering, Delivery, Request

MEMFD = Memfd("memfd", "/proc/PID/fd/N")
SUPERVISE = PrivateFileHandoff("supervise", "(a private file)")
GATEWAY = GatewayHandoff(NAME_OF_GATEWAY, "", keeps_key=True)
HANDOFFS: dict[str, Delivering] = {way.name: way for way in (MEMFD, SUPERVISE, GATEWAY)}


@dataclass(frozen=True)
class Chosen:
    """A handoff, and whether the user asked for just that one."""

    handoff: Delivering
    by_user: bool

    def deliver(self, request: Request) -> Delivery:
        """Deliver the identity; where memory is refused, by a private file, with a notice.

        Raises HandoffError where no way is to be had, or not the one that the user asked for.
        """
        try:
            return self.handoff.deliver(request)
        except HandoffError as error:
            if self.by_user or self.handoff is not MEMFD:
                raise
            request.reporter.notice(
                f"{error.fact}; the unlocked identity is in a private file until the tool ends"
            )
            return SUPERVISE.deliver(request)


def choose(
    options: Options, environ: Mapping[str, str], profile: Profile, policy: Policy
) -> Chosen:
    """Return the handoff for an unlocked identity.

    Raises UsageError for an unknown name, and for one that cannot do what the profile says;
    ConfigurationError for one that the policy does not admit.
    """
    asked = options.handoff or environ.get("MTLS_RUN_HANDOFF")
    if asked:
        origin = "--handoff" if options.handoff else "MTLS_RUN_HANDOFF"
        found = HANDOFFS[cli.check_handoff(asked, origin)]
        policy.check_handoff(asked, origin)
        needs_gateway = profile.gateway_reason
        if needs_gateway is not None and not found.keeps_key:
            raise UsageError(
                f"{origin} asks for {asked}, but {profile.label} needs the gateway, "
                f"by {needs_gateway.origin}",
                hint=f"leave {origin} away, or choose another profile",
            )
        return Chosen(found, by_user=True)
    if profile.handoff is not None:
        policy.check_handoff(profile.handoff.value, f"`handoff` at {profile.handoff.origin}")
    if profile.gateway_reason is not None or policy.handoff is not None:
        return Chosen(GATEWAY, by_user=False)
    if profile.handoff is not None:
        return Chosen(HANDOFFS[profile.handoff.value], by_user=True)
    return Chosen(MEMFD if sys.platform.startswith("linux") else SUPERVISE, by_user=False)
