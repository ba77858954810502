"""A command that the configuration names."""

from __future__ import annotations

from mtls_run.system.record import Record


class Command(Record):
    """The words of a program; its arguments may be secret, so that messages leave them out."""

    argv: tuple[str, ...]

    @property
    def program(self) -> str:
        """Return the program, as messages name it."""
        return self.argv[0]

    def __str__(self) -> str:
        return f"command {self.program}"
