"""What was typed: mtls-run's own options, then a tool, a command after `--`, or a subcommand.

Split by hand: argparse takes `--` away from the user's own arguments (cpython 3.11,
argparse.REMAINDER), and what the user typed reaches the tool unaltered.
"""

from __future__ import annotations

from mtls_run.errors import UsageError
from mtls_run.system.record import Record

SUBCOMMANDS = (
    "allow",
    "demo",
    "deny",
    "doctor",
    "forget",
    "help",
    "init",
    "passphrase",
    "profile",
    "shims",
    "uninstall",
)
HANDOFFS = ("memfd", "supervise", "gateway")
FIRST_STEPS = """\
mtls-run profile add corp     add a profile for your certificate
mtls-run uv pip install x     run uv or pip with it
mtls-run doctor               check the profile and the index
mtls-run demo                 see it at work on this machine
mtls-run help                 see everything else"""
_ONE_OF_TWO = "leave one of the two away"
_ON_OFF = {"": False, "0": False, "1": True}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class Options(Record):
    """mtls-run's own options."""

    explain: bool
    handoff: str | None
    help: bool
    json: bool
    no_profile: bool
    profile: str | None
    quiet: bool
    verbose: bool
    version: bool
    wrapped: bool


class Invocation(Record):
    """The options; then `words`, which are a command line where `subcommand` is None.

    `after_dashes` tells that the words stood after mtls-run's own `--`: any program may.
    """

    options: Options
    subcommand: str | None
    words: tuple[str, ...]
    after_dashes: bool


_FLAGS = {
    "--no-profile": "no_profile",
    "--explain": "explain",
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--version": "version",
    "-h": "help",
    "--help": "help",
    # Our shims and shell functions pass this, not people. They run for every call of the tool, so a
    # missing profile needs no notice there.
    "--wrapped": "wrapped",
}
_VALUES = {"-p": "profile", "--profile": "profile", "--handoff": "handoff"}


def parse(arguments: Sequence[str]) -> Invocation:
    """Return the invocation in `arguments`, which lack the program's own name.

    Raises UsageError for an option that is not mtls-run's, one without its value, and options
    that contradict each other. Does not check whether the words name a tool.
    """
    given: dict[str, Any] = dict.fromkeys(Options.FIELDS, False)
    given.update(profile=None, handoff=None)
    rest = list(arguments)
    after_dashes = False
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            after_dashes = True
            break
        _take(word, rest, given)
    options = Options(**given)
    check(options)
    if after_dashes or not rest or rest[0] not in SUBCOMMANDS:
        words, subcommand = tuple(rest), None
    else:
        words, subcommand = tuple(rest[1:]), rest[0]
    return Invocation(
        options=options, subcommand=subcommand, words=words, after_dashes=after_dashes
    )


def _take(word: str, rest: list[str], given: dict[str, object]) -> None:
    """Take one option, and its value from `rest`, into `given`."""
    name, equals, value = word.partition("=")
    if not word.startswith("--"):
        # -qv is -q -v, and -pNAME is -p NAME, as everywhere.
        name, equals, value = word[:2], "", word[2:]
        if name in _FLAGS and value:
            rest.insert(0, "-" + value)
    if name in _FLAGS and not equals:
        given[_FLAGS[name]] = True
    elif name in _VALUES:
        if not equals and not value:
            if not rest:
                raise UsageError(f"{name} lacks its value", hint=f"write {name} NAME")
            value = rest.pop(0)
        given[_VALUES[name]] = value
    else:
        raise _unknown_option(name)


def guess(word: str, known: Iterable[str]) -> str:
    """Return the end of an error for an unknown word: a guess at what was meant, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - for an error alone

    near = get_close_matches(word.lower(), list(known), n=1, cutoff=0.7)
    return f"; did you mean '{near[0]}'?" if near else ""


def _unknown_option(name: str) -> UsageError:
    if name in _FLAGS:
        return UsageError(f"{name} takes no value", hint=f"write {name} alone")
    known = (one for one in (*_FLAGS, *_VALUES) if one != "--wrapped")
    near = guess(name, known)
    if near:
        return UsageError(f"mtls-run has no option {name}{near}", hint="mtls-run --help")
    return UsageError(
        f"mtls-run has no option {name}",
        hint="mtls-run's own options come before TOOL, the tool's own after it; "
        "see mtls-run --help",
    )


def check(options: Options) -> None:
    """Raise UsageError for options that contradict each other."""
    if options.profile is not None and options.no_profile:
        raise UsageError("--profile and --no-profile contradict each other", hint=_ONE_OF_TWO)
    if options.quiet and options.verbose:
        raise UsageError("--quiet and --verbose contradict each other", hint=_ONE_OF_TWO)
    if options.json and not options.explain:
        raise UsageError("--json goes with --explain", hint="mtls-run --explain --json TOOL …")
    if options.handoff is not None:
        check_handoff(options.handoff, "--handoff")


def check_handoff(value: str, origin: str) -> str:
    """Return `value` where it names a handoff; raise UsageError with `origin` where not."""
    if value not in HANDOFFS:
        raise UsageError(
            f"{origin}: there is no handoff `{value}`", hint=f"use one of: {', '.join(HANDOFFS)}"
        )
    return value


def disabled(environ: Mapping[str, str]) -> bool:
    """Tell whether MTLS_RUN_DISABLE asks for the bare tool."""
    value = environ.get("MTLS_RUN_DISABLE", "")
    if value not in _ON_OFF:
        raise UsageError(f"MTLS_RUN_DISABLE is `{value}`", hint="set it to 1, or unset it")
    return _ON_OFF[value]
