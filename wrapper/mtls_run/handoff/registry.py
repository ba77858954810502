"""The ways to hand on an unlocked identity, and which of them a run uses."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run import cli
from mtls_run.errors import HandoffError
from mtls_run.handoff import memfd, private_file, supervise
from mtls_run.handoff.base import Delivering, Delivery

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.cli import Options
    from mtls_run.identity.material import Identity
    from mtls_run.output import Reporter


class _Memfd(Delivering):
    """A sealed anonymous file in memory, which ends with the process."""

    def deliver(self, identity: Identity, environ: Mapping[str, str]) -> Delivery:
        """Put the identity into memory."""
        del environ
        return Delivery(self.name, memfd.hold(identity.pem().reveal(), memfd.IDENTITY))


class Supervised(Delivery):
    """A private file, which this process removes once the tool, its child, has ended."""

    needs_parent = True

    def __init__(self, name: str, identity: Identity, environ: Mapping[str, str]) -> None:
        self._block = supervise.Block()
        try:
            self._file = private_file.create(identity.pem().reveal(), environ)
        except BaseException:
            self._block.release()
            raise
        super().__init__(name, str(self._file.path))

    def run(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool as a child; return its status, negative for the signal that ended it."""
        return supervise.run(path, argv, environ, self._block)

    def close(self) -> None:
        """Remove the file, then let through the signals that were held back."""
        try:
            self._file.remove()
        finally:
            self._block.release()


class _PrivateFile(Delivering):
    """A file that only the user can read, while this process supervises the tool."""

    def deliver(self, identity: Identity, environ: Mapping[str, str]) -> Delivery:
        """Write the file; signals are held back from before it is there."""
        return Supervised(self.name, identity, environ)


MEMFD = _Memfd("memfd", "/proc/PID/fd/N")
SUPERVISE = _PrivateFile("supervise", "(a private file)")
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
