"""Hold a secret that no repr, log, pickle or `asdict` reveals."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Secret:
    """Bytes that only `reveal()` returns.

    This is no dataclass, since `field(repr=False)` still leaks through `asdict()` and pickle.
    Python cannot wipe memory, so callers drop a Secret as soon as they have used it.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Return the secret itself."""
        return self._content

    def __bool__(self) -> bool:
        """Return whether the secret is not empty."""
        return bool(self._content)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("cannot copy or pickle a secret")
