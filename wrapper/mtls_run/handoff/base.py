"""How an identity reaches the tool. A new way is a module here and its line in `registry`.

A `Handoff` says beforehand what the tool will be handed (`tls_files`), so that the plan is made and
checked first. `deliver` then makes it true and returns a `Delivery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.cache.launches import WithIdentity
from mtls_run.tools.base import TlsFiles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Union

    from mtls_run.config.profile import Profile
    from mtls_run.identity.known import KnownIdentity
    from mtls_run.identity.material import Identity, KeyMaterial
    from mtls_run.identity.source import Printed
    from mtls_run.identity.token import TokenIdentity
    from mtls_run.output import Reporter
    from mtls_run.roots.resolve import Roots
    from mtls_run.tools.base import Target

    Material = Union[KeyMaterial, KnownIdentity, Printed]
    Part = Union[KeyMaterial, TokenIdentity, Printed]


@dataclass(frozen=True)
class Request:
    """What a handoff delivers, and the run that it is for.

    `identity` is None until it is opened; `ends` is when it expires, where a command says an
    earlier time than the certificate. `further` has the identities that only the gateway knows to
    use: those for hosts of their own, and the profile's own where its key is in a token.
    `handed_over` are the variables that hand pip's own settings to the tool.
    """

    identity: Identity | None
    profile: Profile
    material: Material | None
    further: tuple[tuple[Profile, Part], ...]
    roots: Roots
    target: Target
    environ: Mapping[str, str]
    handed_over: Mapping[str, str]
    expiry_notice_days: int
    reporter: Reporter
    ends: float = float("inf")


class Delivery:
    """An identity that the tool can reach, at the path `identity` (None: the tool gets none).

    `name` is the handoff's. `tls` is what the tool is handed, where only the delivery tells.
    `needs_parent` tells that this process has to outlive the tool: it runs the tool as a child
    (`run`) and closes the delivery afterwards.
    """

    needs_parent = False

    def __init__(self, name: str, identity: str | None, tls: TlsFiles | None = None) -> None:
        self.name = name
        self.identity = identity
        self.tls = tls

    def run(self, path: str, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the tool as a child; return its status, negative for the signal that ended it."""
        raise NotImplementedError

    def close(self) -> None:
        """Take back what was delivered."""


@dataclass(frozen=True)
class Handoff:
    """A way for an identity to reach the tool.

    `name` is what --handoff and --explain call it. `shown_path` is what --explain shows for the
    identity's path, which may be known only once the identity is delivered. `outlives_run` tells
    that a later run will find the same identity at the same path. `keeps_key` tells that the tool
    never gets the key.
    """

    name: str
    shown_path: str
    outlives_run: bool = False
    keeps_key: bool = False

    def tls_files(self, bundle: str | None, *, native: bool) -> TlsFiles:
        """Return what the tool will be handed with these roots."""
        return TlsFiles(identity=WithIdentity(), bundle=bundle, native=native)


class Delivering(Handoff):
    """A handoff that makes an unlocked identity reachable."""

    def check(self) -> None:
        """Raise HandoffError where this way cannot be had at all."""

    def join(self, request: Request) -> InPlace | None:
        """Return the handoff by what an outer mtls-run delivered already, or None."""
        return None

    def deliver(self, request: Request) -> Delivery:
        """Make the identity reachable; raises HandoffError where this way is not to be had."""
        raise NotImplementedError


class InPlace(Handoff):
    """A handoff with nothing to do: the identity's file is there already, or there is none."""

    def tls_files(self, bundle: str | None, *, native: bool) -> TlsFiles:
        """Return the path of the file itself, which a cached launch may name."""
        return TlsFiles(identity=self.shown_path or None, bundle=bundle, native=native)

    def deliver(self) -> Delivery:
        """Return the file as it stands."""
        return Delivery(self.name, self.shown_path or None)


NO_IDENTITY = InPlace("none", "", outlives_run=True)


def own_path(path: object) -> InPlace:
    """Return the handoff of an identity that every tool reads as its file stands."""
    return InPlace("path", str(path), outlives_run=True)


def inherited(path: str) -> InPlace:
    """Return the handoff of an identity that an outer mtls-run delivered."""
    return InPlace("inherited", path)
