"""mtls-run's commands and options, for completion: one table for all shells.

It is written out and not read from the commands themselves, since a shell evaluates `init` when it
starts, and importing the commands takes several times as long. A test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

# What an option or an argument takes; a tuple has the words that it can be.
FILE, FOLDER, PROFILE, TEXT = "file", "directory", "profile", "text"
Takes = Union[str, tuple[str, ...], None]


@dataclass(frozen=True)
class Option:
    """An option by its names; `takes` is None for a flag."""

    names: tuple[str, ...]
    about: str
    takes: Takes = None
    repeated: bool = False


@dataclass(frozen=True)
class Command:
    """A command by its words (`profile add`), its options, and what its arguments are."""

    words: tuple[str, ...]
    about: str
    options: tuple[Option, ...] = ()
    argument: Takes = None


def _command(words: str, about: str, *options: Option, argument: Takes = None) -> Command:
    return Command(tuple(words.split()), about, (*options, _HELP), argument)


def _option(names: str, about: str, takes: Takes = None, *, repeated: bool = False) -> Option:
    return Option(tuple(names.split()), about, takes, repeated)


_HELP = _option("-h --help", "show help")
_JSON = _option("--json", "the same as JSON")
_FORCE = _option("--force", "replace a profile of this name")
_DEFAULT = _option("--default", "make it the default profile")
_DIR = _option("--dir", "the directory of the shims", FOLDER)
_TOOL = _option("--tool", "this program too", TEXT, repeated=True)
SHELL_NAMES = ("bash", "zsh", "fish", "powershell")

# Before TOOL or the subcommand.
OPTIONS = (
    _option("-p --profile", "use this profile", PROFILE),
    _option("--no-profile", "run TOOL unchanged"),
    _option("--explain", "say what would be done, and why"),
    _option("--json", "--explain as JSON"),
    _option("--handoff", "how an unlocked identity reaches TOOL", ("memfd", "supervise")),
    _option("-q --quiet", "no notices"),
    _option("-v --verbose", "one line per decision"),
    _option("--version", "say the version"),
    _HELP,
)
COMMANDS = (
    _command("allow", "trust a directory's project file", argument=FOLDER),
    _command("demo", "the whole road on this machine"),
    _command("deny", "distrust a directory's project file", argument=FOLDER),
    _command(
        "doctor",
        "check everything, and really connect",
        _JSON,
        _option("--timeout", "seconds for each step on the network", TEXT),
        argument=TEXT,
    ),
    _command("forget", "forget what `remember` keeps unlocked"),
    _command(
        "init",
        "print shell code to evaluate",
        _option("--only", "wrap this tool alone", ("pip", "pip3", "uv", "uvx"), repeated=True),
        _option("--no-completion", "functions alone"),
        _option("--shims", "put the directory of the shims on PATH"),
        argument=SHELL_NAMES,
    ),
    _command("passphrase", "the passphrase of a profile's key"),
    _command(
        "passphrase set",
        "store it, once it opens the key",
        _option("--stdin", "read it from standard input"),
        argument=PROFILE,
    ),
    _command("passphrase check", "open the key with it", argument=PROFILE),
    _command("passphrase forget", "delete the stored one", argument=PROFILE),
    _command("profile", "look at profiles, and change them"),
    _command("profile list", "list them", _JSON, _option("--names", "the names alone")),
    _command(
        "profile show",
        "show one, and what says each value",
        _JSON,
        _option("--brief", "the name alone, for a prompt"),
        argument=PROFILE,
    ),
    _command(
        "profile add",
        "add one, checked",
        _option("--client-cert", "PEM, DER or PKCS#12", FILE),
        _option("--client-key", "where the key is a file of its own", FILE),
        _option("--ca-cert", "added to the roots", FILE, repeated=True),
        _option(
            "--roots", "what --ca-cert is added to", ("system", "public", "environment", "none")
        ),
        _option("--passphrase", "where the passphrase is", TEXT),
        _option("--extends", "a profile whose keys it overrides", PROFILE),
        _option("--remember", "keep it unlocked this long", TEXT),
        _FORCE,
        _DEFAULT,
        argument=TEXT,
    ),
    _command(
        "profile import",
        "make one of what is there",
        _option("--from", "pip, uv or a file", FILE),
        _FORCE,
        _DEFAULT,
        argument=TEXT,
    ),
    _command("profile edit", "open the configuration in an editor"),
    _command(
        "profile remove",
        "remove one, and its passphrase",
        _option("--force", "also take away what names it"),
        argument=PROFILE,
    ),
    _command("profile default", "make one the default", argument=PROFILE),
    _command("shims", "programs on PATH that go through mtls-run"),
    _command("shims install", "put them into a directory", _DIR, _TOOL),
    _command("shims remove", "take them away", _DIR, _TOOL),
    _command("shims list", "say which are reached, and what is in the way", _DIR, _JSON),
)
