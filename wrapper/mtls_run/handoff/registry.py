"""The ways to hand on an unlocked identity, and which of them a run uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run import cli
from mtls_run.errors import HandoffError
from mtls_run.handoff.memfd import Memfd
from mtls_run.handoff.private_file import PrivateFileHandoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cli import Options
    from mtls_run.handoff.base import Delivering, Delivery
    from mtls_run.identity.material import Identity
    from mtls_run.output import Reporter


MEMFD = Memfd("memfd", "/proc/PID/fd/N")
SUPERVISE = PrivateFileHandoff("supervise", "(a private file)")
HANDOFFS: dict[str, Delivering] = {way.name: way for way in (MEMFD, SUPERVISE)}


@dataclass(frozen=True)
class Chosen:
    """A handoff, and whether the user asked for just that one."""

    handoff: Delivering
    by_user: bool

    def deliver(
        self, identity: Identity, environ: Mapping[str, str], reporter: Reporter
    ) -> Delivery:
        """Deliver the identity; where memory is refused, by a private file, with a notice.

        Raises HandoffError where no way is to be had, or not the one that the user asked for.
        """
        try:
            return self.handoff.deliver(identity, environ)
        except HandoffError as error:
            if self.by_user or self.handoff is SUPERVISE:
                raise
            reporter.notice(
                f"{error.fact}; the unlocked identity is in a private file until the tool ends"
            )
            return SUPERVISE.deliver(identity, environ)


def choose(options: Options, environ: Mapping[str, str]) -> Chosen:
    """Return the handoff for an unlocked identity; raises UsageError for an unknown name."""
    if options.handoff is not None:
        return Chosen(HANDOFFS[options.handoff], by_user=True)
    named = environ.get("MTLS_RUN_HANDOFF")
    if named:
        return Chosen(HANDOFFS[cli.check_handoff(named, "MTLS_RUN_HANDOFF")], by_user=True)
    return Chosen(MEMFD if sys.platform.startswith("linux") else SUPERVISE, by_user=False)
