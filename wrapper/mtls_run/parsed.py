"""What configuration files said when they were parsed, kept by their bytes.

tomllib is a start of Python and a half to import; where only a certificate is new, the
configuration beside it is the one of the run before. Decisions are made from it as they are from
what was parsed just now: what it means is read, checked and resolved anew.

A file that has gone through all checks holds no secret, except where somebody put one among the
words of a command. What names a command is not kept.
"""

from __future__ import annotations

import marshal
import sys

from . import verdicts
from .digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .document import Document

_KIND = "toml"


def recall(content: bytes) -> dict[str, Any] | None:
    """Return the tables in these bytes, where they were parsed before by this very Python."""
    fields = verdicts.recall(_KIND, _name(content))
    if not fields:
        return None
    try:
        # marshal is no format to take from strangers; whoever can write here can write `kept`.
        tables = marshal.loads(bytes.fromhex(fields[0]))  # noqa: S302
    except (ValueError, EOFError, TypeError):
        return None
    return tables if isinstance(tables, dict) else None


def keep(source: Document) -> None:
    """Keep what a file says that was read and checked without an error, and has no commands."""
    if source.recalled or "command" in str(source.tables):
        return
    try:
        verdicts.keep(_KIND, _name(source.content), [marshal.dumps(source.tables).hex()])
    except ValueError:
        return  # TOML has times, which are for no key of ours


def _name(content: bytes) -> str:
    return sha256(sys.version.encode() + b"\0" + content).hexdigest()
