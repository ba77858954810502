"""The options on a tool's command line, as the tool's own parser reads them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def split(
    arguments: Sequence[str], with_value: Collection[str]
) -> tuple[Sequence[str], str | None, Sequence[str]]:
    """Return the options before the first command, that command or None, and what follows it.

    `with_value` are the options whose value is the next word.
    """
    index = 0
    while index < len(arguments) and arguments[index].startswith("-"):
        index += 2 if arguments[index] in with_value else 1
    if index >= len(arguments):
        return arguments, None, ()
    return arguments[:index], arguments[index], arguments[index + 1 :]


def before_dashes(words: Sequence[str]) -> Sequence[str]:
    """Return the words before `--`, after which nothing is an option."""
    return words[: words.index("--")] if "--" in words else words


def value_of(option: str, shortest: int, arguments: Sequence[str]) -> str | None:
    """Return the last value that the arguments have for a long option, or None.

    `shortest` is the length of the shortest abbreviation that the tool takes for it.
    """
    found = None
    words = before_dashes(arguments)
    for index, word in enumerate(words):
        if word.startswith("--") and abbreviates(word, option, shortest):
            _, equals, value = word.partition("=")
            found = value if equals else "".join(words[index + 1 : index + 2])
    return found


def short_value_of(option: str, arguments: Sequence[str]) -> str | None:
    """Return the last value of a short option, in the next word or in the same, or None."""
    found = None
    words = before_dashes(arguments)
    for index, word in enumerate(words):
        if word == option:
            found = "".join(words[index + 1 : index + 2])
        elif word.startswith(option) and not word.startswith("--"):
            found = word[len(option) :].removeprefix("=")
    return found


def abbreviates(word: str, option: str, shortest: int) -> bool:
    """Tell whether optparse and argparse take `word` for `option`, for which any prefix will do."""
    name = word.partition("=")[0]
    return len(name) >= shortest and option.startswith(name)
