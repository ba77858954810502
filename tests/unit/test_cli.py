"""What was typed is split by hand, and what follows TOOL is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run import cli
from mtls_run.errors import UsageError
from mtls_run.tools import registry

# Anything that an argument can be: what is not UTF-8 comes as surrogates, a NUL never comes.
ARGUMENTS = st.lists(st.text(st.characters(exclude_characters="\0"), max_size=8), max_size=6)


def set_options(*words: str) -> dict[str, object]:
    """Return the options that these words set, by name."""
    options = cli.parse(words).options
    pairs = ((name, getattr(options, name)) for name in cli.Options.FIELDS)
    return {name: value for name, value in pairs if value not in (False, None)}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["-p", "corp"], {"profile": "corp"}),
        (["-pcorp"], {"profile": "corp"}),
        (["--profile", "corp"], {"profile": "corp"}),
        (["--profile=corp"], {"profile": "corp"}),
        (["--profile", "--explain"], {"profile": "--explain"}),
        (["--profile="], {"profile": ""}),
        (["--profile=a=b"], {"profile": "a=b"}),
        (["-p", "a", "-p", "b"], {"profile": "b"}),
        (["--no-profile"], {"no_profile": True}),
        (["--explain"], {"explain": True}),
        (["--explain", "--json"], {"explain": True, "json": True}),
        (["-q"], {"quiet": True}),
        (["--quiet"], {"quiet": True}),
        (["-v"], {"verbose": True}),
        (["--verbose"], {"verbose": True}),
        (["-vpcorp"], {"verbose": True, "profile": "corp"}),
        (["-qp", "corp"], {"quiet": True, "profile": "corp"}),
        (["--handoff", "memfd"], {"handoff": "memfd"}),
        (["--handoff=supervise"], {"handoff": "supervise"}),
        (["--version"], {"version": True}),
        (["-h"], {"help": True}),
        (["--help"], {"help": True}),
    ],
)
def test_options(words: list[str], expected: dict[str, object]) -> None:
    """Each option is taken in every form that it is written in, and sets nothing else."""
    assert set_options(*words) == expected
    assert set_options(*words, "uv", "--explain", "-q", "-p", "x") == expected


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        (["--profil", "x", "uv"], "mtls-run has no option --profil; did you mean '--profile'?"),
        (["-x", "uv"], "mtls-run has no option -x"),
        (["-qx", "uv"], "mtls-run has no option -x"),
        (["--quiet=yes", "uv"], "--quiet takes no value"),
        (["--profile"], "--profile lacks its value"),
        (["-p"], "-p lacks its value"),
        (["-vp"], "-p lacks its value"),
        (["--handoff"], "--handoff lacks its value"),
        (["--handoff", "file", "uv"], "--handoff: there is no handoff `file`"),
        (["--handoff=", "uv"], "--handoff: there is no handoff ``"),
        (["-p", "x", "--no-profile", "uv"], "--profile and --no-profile contradict each other"),
        (["-q", "-v", "uv"], "--quiet and --verbose contradict each other"),
        (["--json", "uv"], "--json goes with --explain"),
    ],
)
def test_wrong_options(words: list[str], fact: str) -> None:
    """An option that is not ours, lacks its value or contradicts another is a usage error."""
    with pytest.raises(UsageError) as caught:
        cli.parse(words)
    assert caught.value.fact == fact
    assert caught.value.status == 125


@pytest.mark.parametrize(
    ("words", "subcommand", "rest", "after_dashes"),
    [
        (["uv", "pip"], None, ("uv", "pip"), False),
        (["--", "uv", "pip"], None, ("uv", "pip"), True),
        (["--", "make", "--", "x"], None, ("make", "--", "x"), True),
        (["--", "--", "x"], None, ("--", "x"), True),
        (["--", "-p"], None, ("-p",), True),
        (["--"], None, (), True),
        (["-q", "--", "make"], None, ("make",), True),
        (["demo"], "demo", (), False),
        (["passphrase", "set", "--stdin"], "passphrase", ("set", "--stdin"), False),
        (["-p", "x", "passphrase", "check"], "passphrase", ("check",), False),
        (["--", "demo"], None, ("demo",), True),
        (["./demo"], None, ("./demo",), False),
        (["-", "x"], None, ("-", "x"), False),
        (["", "x"], None, ("", "x"), False),
    ],
)
def test_words(
    words: list[str], subcommand: str | None, rest: tuple[str, ...], after_dashes: bool
) -> None:
    """The words after the options are a subcommand, a tool, or a command after `--`."""
    found = cli.parse(words)
    assert (found.subcommand, found.words, found.after_dashes) == (subcommand, rest, after_dashes)


@given(arguments=ARGUMENTS, dashes=st.booleans())
def test_arguments_reach_the_call(arguments: list[str], dashes: bool) -> None:
    """What follows TOOL is what the call has as arguments: the same words in the same order."""
    words = ["-q", *(["--"] if dashes else []), "uv", *arguments]
    found = cli.parse(words)
    assert found.words == ("uv", *arguments)
    _, call = registry.recognise(found.words, any_program=found.after_dashes)
    assert (*call.prefix, *call.arguments) == ("uv", *arguments)
    assert call.arguments == tuple(arguments)


@given(arguments=ARGUMENTS)
def test_any_command_is_kept_whole(arguments: list[str]) -> None:
    """What follows `--` is kept whole, whatever program it starts."""
    words = cli.parse(["--", "make", *arguments]).words
    _, call = registry.recognise(words, any_program=True)
    assert (*call.prefix, *call.arguments) == ("make", *arguments)


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True)]
)
def test_disable(value: str | None, expected: bool) -> None:
    """MTLS_RUN_DISABLE is on with 1, and off where it is unset, empty or 0."""
    assert cli.disabled({} if value is None else {"MTLS_RUN_DISABLE": value}) is expected


@pytest.mark.parametrize("value", ["yes", "true", "2", " 1"])
def test_disable_is_not_guessed(value: str) -> None:
    """Another value of MTLS_RUN_DISABLE is an error that shows it."""
    with pytest.raises(UsageError, match=f"MTLS_RUN_DISABLE is `{value}`"):
        cli.disabled({"MTLS_RUN_DISABLE": value})
