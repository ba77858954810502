"""PowerShell's code, read by a parser: no PowerShell runs where the tests do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tree_sitter import Node


def started(code: str) -> list[str]:
    """Return the quoted programs that this code starts by `&`. Fails where it is not PowerShell.

    Skips the test on Python 3.9, for which the parser has no wheel.
    """
    tree_sitter = pytest.importorskip("tree_sitter")
    language = tree_sitter.Language(pytest.importorskip("tree_sitter_powershell").language())
    found = list(_nodes(tree_sitter.Parser(language).parse(code.encode()).root_node))
    wrong = [node for node in found if node.is_error or node.is_missing]
    assert [(node.start_point, node.text) for node in wrong] == []
    quoted = [_text(node) for node in found if node.type == "command_name_expr"]
    return [word[1:-1].replace("''", "'") for word in quoted]


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()
