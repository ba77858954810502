"""A secret that no repr, log, pickle or `asdict` gives away."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Secret:
    """Bytes that show only on `reveal()`.

    Not a dataclass: `field(repr=False)` still leaks through `asdict()` and pickle. Python cannot
    wipe memory; a Secret is dropped as soon as it has served.
    """

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """Return the secret itself."""
        return self._content

    def __bool__(self) -> bool:
        """Tell whether there is anything to keep secret."""
        return bool(self._content)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuse to be pickled or copied."""
        raise TypeError("a secret is not written down")
