"""All pairs of values in few cells: greedy, and the same every time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Cell = dict[str, str]
Allows = Callable[["Mapping[str, str]"], bool]
"""Tells of two axes' values whether they go together; it is asked of nothing but pairs."""
_Value = tuple[str, str]


def cover(axes: Mapping[str, Sequence[str]], allows: Allows) -> list[Cell]:
    """Return cells, one value of each axis in each, that hold every pair that any cell can hold.

    The axes' order decides: their values come in that order, and the pairs of the first two decide
    about how many cells there are.
    """
    together = _together(axes, allows)
    missing = dict.fromkeys(pairs(axes))
    used: dict[_Value, int] = {}
    cells: list[Cell] = []
    while missing:
        seed = next(iter(missing))
        # Where no cell can hold it, it is dropped here and asks for none.
        del missing[seed]
        if seed[1] not in together[seed[0]]:
            continue
        found = _complete(axes, together, missing, used, seed)
        if found is None:
            continue
        for value in found:
            used[value] = used.get(value, 0) + 1
        for pair in itertools.combinations(found, 2):
            missing.pop(pair, None)
        cells.append(dict(found))
    return cells


def pairs(axes: Mapping[str, Sequence[str]]) -> Iterator[tuple[_Value, _Value]]:
    """Yield every pair of values of two axes, whether or not they go together."""
    for first, second in itertools.combinations(axes, 2):
        for pair in itertools.product(axes[first], axes[second]):
            yield (first, pair[0]), (second, pair[1])


def _together(axes: Mapping[str, Sequence[str]], allows: Allows) -> dict[_Value, set[_Value]]:
    """Return for each value those of other axes that it goes together with."""
    found: dict[_Value, set[_Value]] = {(a, value): set() for a in axes for value in axes[a]}
    for first, second in pairs(axes):
        if allows(dict((first, second))):
            found[first].add(second)
            found[second].add(first)
    return found


def _complete(
    axes: Mapping[str, Sequence[str]],
    together: Mapping[_Value, set[_Value]],
    missing: Mapping[tuple[_Value, _Value], None],
    used: Mapping[_Value, int],
    seed: tuple[_Value, _Value],
) -> list[_Value] | None:
    """Return a cell around the seed, in the axes' order, or None where there is none."""
    order = {name: number for number, name in enumerate(axes)}

    def gain(value: _Value, chosen: Sequence[_Value]) -> int:
        return sum(
            ((value, one) if order[value[0]] < order[one[0]] else (one, value)) in missing
            for one in chosen
        )

    def extend(chosen: list[_Value]) -> list[_Value] | None:
        rest = [name for name in axes if all(name != one[0] for one in chosen)]
        if not rest:
            return chosen
        name = rest[0]
        values = [(name, value) for value in axes[name]]
        fitting = [value for value in values if all(value in together[one] for one in chosen)]
        # The most new pairs first; among equals the value that was used least.
        fitting.sort(key=lambda value: (-gain(value, chosen), used.get(value, 0)))
        for value in fitting:
            found = extend([*chosen, value])
            if found is not None:
                return found
        return None

    found = extend(list(seed))
    return None if found is None else sorted(found, key=lambda value: order[value[0]])
