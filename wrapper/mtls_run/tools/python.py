"""Recognises a program by its name, and a module by `python … -m MODULE`."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_WITH_VALUE = "WX"  # CPython's own short options that take one, beside -c and -m


def program_name(word: str) -> str:
    """Return the name of the program that `word` names or is a path to."""
    name = os.path.basename(word)
    return name[:-4] if name.lower().endswith(".exe") else name


def is_interpreter(name: str) -> bool:
    """Tell whether a program of this name is Python: python, python3.12, python3.13t, pypy3."""
    if name in ("py", "pyw"):
        return True
    for start in ("python", "pypy"):
        if name.startswith(start):
            rest = name[len(start) :].removesuffix("w").removesuffix("t")
            return rest.replace(".", "", 1).isdigit() if rest else True
    return False


def _chooses(word: str) -> bool:
    """Tell whether `word` names a Python to the Windows launcher: -3, -3.12, -V:3.12."""
    return word[1:2].isdigit() or word.startswith("-V:")


def split_module(words: Sequence[str]) -> tuple[str, int] | None:
    """Return the module that `python … -m MODULE` runs and the number of words up to it.

    None where `words` do not start an interpreter on a module.
    """
    name = program_name(words[0])
    if not is_interpreter(name):
        return None
    index = 1
    while index < len(words) and words[index].startswith("-") and len(words[index]) > 1:
        word = words[index]
        index += 1
        if name in ("py", "pyw") and _chooses(word):
            continue
        if word.startswith("--"):
            index += word == "--check-hash-based-pycs"
            continue
        for position, letter in enumerate(word[1:], start=2):
            if letter == "c":
                return None
            if letter not in ("m", *_WITH_VALUE):
                continue
            # The value is the rest of this word, or the next one.
            value = word[position:]
            if not value:
                value = words[index] if index < len(words) else ""
                index += 1
            if letter == "m":
                return value, index
            break
    return None
