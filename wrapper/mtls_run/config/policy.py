"""What a fleet's administrators require: [policy] in the system's configuration, and there alone.

What a user says against a policy is an error that names the policy's file and line.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from mtls_run import __version__
from mtls_run.errors import ConfigurationError
from mtls_run.system import installer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mtls_run.config.origin import Origin, Setting

_ASK = "ask the administrators of this machine"


@dataclass(frozen=True)
class Policy:
    """The requirements, each with its origin, or None where there is none.

    `handoff` is the only handoff, `profiles` is "system" where only the system's profiles count.
    """

    handoff: Setting[str] | None = None
    allow_project_files: Setting[bool] | None = None
    profiles: Setting[str] | None = None
    min_version: Setting[str] | None = None

    @classmethod
    def of(cls, values: Mapping[str, Setting[Any]]) -> Policy:
        """Return the policy of these keys."""
        return cls(**{key.replace("-", "_"): setting for key, setting in values.items()})

    def origins(self) -> dict[str, Origin]:
        """Return the requirements that there are, by key, each with its origin."""
        return {
            one.name.replace("_", "-"): getattr(self, one.name).origin
            for one in fields(self)
            if getattr(self, one.name) is not None
        }

    def check_version(self) -> None:
        """Raise ConfigurationError where this mtls-run is older than the policy admits."""
        wanted = self.min_version
        if wanted is not None and _parts(__version__) < _parts(wanted.value):
            raise ConfigurationError(
                f"mtls-run {wanted.value} or newer is required by the policy at {wanted.origin}, "
                f"and this is {__version__}",
                hint=installer.upgrade_command(),
            )

    def check_handoff(self, asked: str, origin: object) -> None:
        """Raise ConfigurationError where `origin` asks for another handoff than the policy's."""
        wanted = self.handoff
        if wanted is not None and asked != wanted.value:
            raise ConfigurationError(
                f"{origin} asks for the handoff {asked}, but the policy at {wanted.origin} "
                f"requires {wanted.value}",
                hint=f"remove it, or {_ASK}",
            )

    def check_own_identity(self, client_cert: str | None) -> None:
        """Raise ConfigurationError where the user hands the tool a key in spite of the policy."""
        if client_cert is not None and self.handoff is not None:
            raise ConfigurationError(
                f"--client-cert {client_cert} hands a key to the tool, but the policy at "
                f"{self.handoff.origin} requires {self.handoff.value}",
                hint=f"leave --client-cert away, or {_ASK}",
            )

    def check_project_files(self, path: object) -> None:
        """Raise ConfigurationError where the policy admits no project files."""
        admitted = self.allow_project_files
        if admitted is not None and not admitted.value:
            raise ConfigurationError(
                f"the policy at {admitted.origin} admits no project files, and {path} is one",
                hint="choose a profile: mtls-run --profile NAME …",
            )

    def check_profile(self, what: str, origin: Origin) -> None:
        """Raise ConfigurationError for a profile, set at `origin`, that is not the system's."""
        if self.profiles is not None:
            raise ConfigurationError(
                f"{origin}: the policy at {self.profiles.origin} admits the system's profiles "
                f"alone, and {what} is not one",
                hint="see the profiles: mtls-run profile list",
            )


def _parts(version: str) -> tuple[int, ...]:
    numbers = version.split("+", maxsplit=1)[0].split(".")
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in numbers)
