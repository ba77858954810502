"""Pages of the documentation that have a place for what a program writes."""

from __future__ import annotations


def filled(page: str, report: str, begin: str, end: str) -> str:
    """Return the page with the report between these two marks.

    Raises ValueError where the page lacks one of them.
    """
    before, first, rest = page.partition(begin)
    _, last, after = rest.partition(end)
    if not first or not last:
        raise ValueError(f"the page lacks {begin} or {end}")
    return f"{before}{begin}\n{report}{end}{after}"
