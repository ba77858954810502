"""Completion: its words by each shell's own machinery, and Tab pressed at real terminals."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING

import click
import pytest

from mtls_run import cli, commands
from mtls_run.commands import Context, runner
from mtls_run.output import Reporter
from mtls_run.shells import words
from tests.shells import code_file, each_shell, enter, in_slow_tier, run, typing
from tests.terminal import session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox import Sandbox

PROFILES = '[profiles.corp]\nroots = "public"\n[profiles.other]\nroots = "public"\n'
FIRST = {"pip", "pip3", "uv", "uvx", "python3", *(one.words[0] for one in words.COMMANDS)}
OWN = {name for option in words.OPTIONS for name in option.names}
ADDS = {
    *("--client-cert", "--client-key", "--ca-cert", "--roots", "--passphrase", "--extends"),
    *("--remember", "--force", "--default", "--help"),
}
ROOTS = {"system", "public", "environment", "none"}
SHELLS = {"bash", "zsh", "fish", "powershell"}
# What is typed, and what is offered for the word at its end, in any shell. Of what an option's
# value or a path is, the last part is compared.
OFFERED = {
    "mtls-run ": FIRST,
    "mtls-run pr": {"profile"},
    "mtls-run nothing-begins-so": set(),
    "mtls-run -": OWN,
    "mtls-run --ha": {"--handoff"},
    "mtls-run --handoff ": {"memfd", "supervise"},
    "mtls-run --handoff=m": {"memfd"},
    "mtls-run -p ": {"corp", "other"},
    "mtls-run --profile ": {"corp", "other"},
    "mtls-run --profile=": {"corp", "other"},
    "mtls-run --profile=o": {"other"},
    "mtls-run -p corp ": FIRST,
    "mtls-run -v --profile=corp pro": {"profile"},
    "mtls-run bin/my": {"my-uv"},
    "mtls-run profile ": {"list", "show", "add", "import", "edit", "remove", "default"},
    "mtls-run profile add --": ADDS,
    "mtls-run profile add new --client-": {"--client-cert", "--client-key"},
    "mtls-run profile add --roots ": ROOTS,
    "mtls-run profile add new --roots=p": {"public"},
    "mtls-run profile add --ca-cert pki/r": {"root.pem"},
    "mtls-run profile add --extends ": {"corp", "other"},
    "mtls-run profile import --from pki/ro": {"root.pem"},
    "mtls-run profile remove ": {"corp", "other"},
    "mtls-run profile remove --fo": {"--force"},
    "mtls-run -q profile show o": {"other"},
    "mtls-run passphrase ": {"set", "check", "forget"},
    "mtls-run passphrase set --st": {"--stdin"},
    "mtls-run allow pk": {"pki"},
    "mtls-run init ": SHELLS,
    "mtls-run init --only u": {"uv", "uvx"},
    "mtls-run shims ": {"install", "remove", "list"},
    "mtls-run shims install --dir pk": {"pki"},
    "mtls-run shims list --": {"--dir", "--json", "--help"},
    "mtls-run -- my-": {"my-uv"},
    # The tool's own, which stands below.
    "mtls-run uv ": {"pip", "lock", "sync"},
    "mtls-run uv pi": {"pip"},
    "mtls-run uv pip ": {"install", "list"},
    "mtls-run --profile=corp -v uv pip in": {"install"},
    "mtls-run -p corp -- uv pip in": {"install"},
    "mtls-run bin/uv pip in": {"install"},
    "mtls-run uv profile ": {"of uv's"},
    "uv ": {"pip", "lock", "sync"},
}
# Its own completion of uv, as a user has one: two levels, told from the words before.
TOOLS_OWN = {
    "bash": """
_uv() {
  COMPREPLY=()
  [[ $1 == *uv && $2 == "${COMP_WORDS[COMP_CWORD]}" && $3 == "${COMP_WORDS[COMP_CWORD - 1]}" ]] ||
    return
  [[ ${COMP_LINE:0:COMP_POINT} == *uv*"$2" && $COMP_LINE == "${COMP_WORDS[0]}"* ]] || return
  case $COMP_CWORD,${COMP_WORDS[1]} in
  1,*) COMPREPLY=($(compgen -W "pip lock sync" -- "$2")) ;;
  2,pip) COMPREPLY=($(compgen -W "install list" -- "$2")) ;;
  2,profile) COMPREPLY=("of uv's") ;;
  esac
}
complete -F _uv uv
""",
    "zsh": """
_uv() {
  local -a found
  case $CURRENT,$words[2] in
    2,*) found=(pip lock sync) ;;
    3,pip) found=(install list) ;;
    3,profile) found=("of uv's") ;;
  esac
  (($+commands[ls])) && compadd -a found
}
compdef _uv uv
""",
    "fish": """
complete -c uv -f -n 'test (count (commandline -opc)) -eq 1' -a 'pip lock sync'
complete -c uv -f -n '__fish_seen_subcommand_from pip' -a 'install list'
complete -c uv -f -n '__fish_seen_subcommand_from profile' -a "of\\\\ uv\\\\'s"
""",
}
# Ask each shell for every line of the file `lines`, and write the line and the answers to `out`.
ASK = {
    "bash": """
while IFS= read -r line; do
  IFS=$'\\t' read -r -a COMP_WORDS <<<"${line#*$'\\f'}"
  COMP_LINE=${line%%$'\\f'*}
  [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE}
  printf '==%s\\n' "$COMP_LINE" >>out
  spec=$(complete -p "${COMP_WORDS[0]}")
  spec=${spec#* -F }
  "${spec%% *}" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
  printf '%s\\n' "${COMPREPLY[@]}" >>out
done <lines
""",
    # Completion works inside the line editor alone: this runs there, and keeps what is offered.
    "zsh": """
PROMPT=
compadd() {
  if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  local -a offered
  builtin compadd -A offered "$@"
  print -rl -- $offered >>out
  builtin compadd "$@"
}
zle-line-init() {
  local line
  for line in "${(@f)$(<lines)}"; do
    print -r -- "==$line" >>out
    BUFFER=$line CURSOR=$#line
    zle complete-word
  done
  BUFFER=exit
  zle accept-line
}
zle -N zle-line-init
""",
    "fish": """
while read -l line
    printf '==%s\\n' $line >>out
    complete -C $line >>out
end <lines
""",
}
PACKAGE = "/usr/share/bash-completion/bash_completion"
COMPINIT = "autoload -Uz compinit\ncompinit -u -D\n"


@pytest.fixture
def home(sandbox: Sandbox) -> Sandbox:
    """Return a sandbox with two profiles, files to complete, and a tool."""
    sandbox.write_config(PROFILES)
    sandbox.write("pki/root.pem", "")
    sandbox.write("bin/my-uv", "#!/bin/sh\n", mode=0o755)
    sandbox.env["PATH"] += f":{sandbox.home}/bin"
    return sandbox


def ask(sandbox: Sandbox, shell: str, before: str = "", after: str = "") -> dict[str, set[str]]:
    """Return what the shell offers for each line of OFFERED; the code is between the two."""
    script = f"{before}\n{code_file(sandbox, shell).read_text()}\n{after}\n{ASK[shell]}"
    lines = list(OFFERED)
    if shell == "bash":
        # What its line editor would do: spaces divide words, and so does the sign.
        lines = [f"{line}\f{_as_bash_divides(line)}" for line in lines]
    sandbox.write("lines", "\n".join(lines) + "\n")
    if shell == "zsh":
        sandbox.write(".zshrc", script)
        with session(sandbox, "zsh", "-d", "-i") as terminal:
            terminal.end()
    else:
        done = run(sandbox, shell, script)
        assert done.stderr == ""
    found: dict[str, set[str]] = {}
    line = ""
    for said in (sandbox.home / "out").read_text().splitlines():
        if said.startswith("=="):
            line = said[2:]
            found[line] = set()
        elif said:
            word = said.partition("\t")[0].replace("\\", "")  # fish says more after a tab
            found[line].add(re.split("[/=]", word.rstrip("/"))[-1])
    return found


def _as_bash_divides(line: str) -> str:
    """Return the words of a line, a tab between them; to bash the sign is one of its own."""
    parts = [word for word in re.split("( |=)", line) if word not in ("", " ")]
    return "\t".join(parts)


def assert_offered(found: dict[str, set[str]]) -> None:
    """Fail unless the shell offers what it should, line by line."""
    wrong = {line: (found.get(line), wanted) for line, wanted in OFFERED.items()}
    assert {line: pair for line, pair in wrong.items() if pair[0] != pair[1]} == {}


def test_words_in_bash(home: Sandbox) -> None:
    """Without the package bash-completion, all of it comes from our function."""
    assert_offered(ask(home, "bash", before=TOOLS_OWN["bash"]))


def test_words_in_bash_with_its_package(home: Sandbox) -> None:
    """With bash-completion, the tool's own is read when it is first asked for, through us too."""
    home.write(home.root / "data/bash-completion/completions/uv", TOOLS_OWN["bash"])
    assert_offered(ask(home, "bash", before=f". {PACKAGE}"))


@pytest.mark.parametrize("compinit", ["before", in_slow_tier("after")])
def test_words_in_zsh(home: Sandbox, compinit: str) -> None:
    """Wherever in .zshrc compinit stands, and whatever a user calls it after."""
    tools_own = TOOLS_OWN["zsh"]
    if compinit == "before":
        found = ask(home, "zsh", before=COMPINIT + tools_own)
    else:
        found = ask(home, "zsh", after=COMPINIT + tools_own)
    assert_offered(found)


def test_words_in_fish(home: Sandbox) -> None:
    """In fish they come by its own `complete -C`, which asks our functions."""
    assert_offered(ask(home, "fish", before=TOOLS_OWN["fish"]))


CLEAR = "\x15"  # Ctrl-U: what stands on the line goes


VARIANTS = ["bash with its package"]
VARIANTS_SLOWLY = ["bash", "zsh", "zsh with compinit after", "fish"]


@pytest.mark.parametrize("variant", [*VARIANTS, *map(in_slow_tier, VARIANTS_SLOWLY)])
def test_tab(home: Sandbox, variant: str) -> None:
    """Tab, pressed: in a wrapped function, after TOOL, in our own words and in a file's name."""
    shell = variant.partition(" ")[0]
    uv = home.fake_tool("uv")
    (home.bin / "mtls-run").symlink_to(home.program)
    init = code_file(home, shell).read_text()
    tools_own = TOOLS_OWN[shell]
    before, after = tools_own, ""
    if variant == "bash with its package":
        home.write(home.root / "data/bash-completion/completions/uv", tools_own)
        before = f". {PACKAGE}"
    elif variant == "zsh with compinit after":
        before, after = "", COMPINIT + tools_own
    elif shell == "zsh":
        before = COMPINIT + tools_own
    with typing(home, shell, f"{before}\n{init}\n{after}") as terminal:
        for line in (
            *("uv pi\t in\t --x", "mtls-run uv pi\t in\t one", "mtls-run -q uv sy\t"),
            *("mtls-run --profile=ot\t uv lo\t two", "mtls-run -p co\t -- uv pi\t three"),
        ):
            enter(terminal, line)
        enter(terminal, "mtls-run pro\tsh\t--br\tot\t>pk\ttold.txt")
        terminal.type("exit")
        assert terminal.end() == 0
    typed = [b" ".join(uv.seen(run).args).decode() for run in range(uv.runs)]
    assert typed == ["pip install --x", "pip install one", "sync", "lock two", "pip three"], (
        terminal.shown
    )
    assert (home.home / "pki/told.txt").read_text() == "other\n"


@each_shell
def test_nothing_of_the_words_runs(home: Sandbox, shell: str) -> None:
    """What is on the line is words to complete, never code: quotes and `$(…)` stay as they are."""
    uv = home.fake_tool("uv")
    init = code_file(home, shell).read_text()
    before = (COMPINIT if shell == "zsh" else "") + TOOLS_OWN[shell]
    with typing(home, shell, f"{before}\n{init}") as terminal:
        for line in ("mtls-run uv '$(touch made)' x\t", "mtls-run -p '`touch made`' uv pi\t"):
            terminal.press(f"{line}{CLEAR}")
        terminal.type("echo still here >answer; exit")
        terminal.end()
    assert (home.home / "answer").read_text() == "still here\n"
    assert not (home.home / "made").exists()
    assert uv.runs == 0


def click_commands(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, click.Command]:
    """Return the click commands of a subcommand by their words, groups too."""
    found: list[click.Command] = []

    def catch(command: click.Command, *_: object) -> int:
        found.append(command)
        return 0

    monkeypatch.setattr(runner, "run", catch)
    options = cli.parse([]).options
    module = importlib.import_module(f"mtls_run.commands.{name}")
    module.run([], Context(options, {}, Reporter()))
    (command,) = found
    return dict(_walk(name, command))


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _walk(f"{path} {name}", inner)


def _described(option: click.Option) -> tuple[frozenset[str], object, bool]:
    takes: object = None if option.is_flag else "something"
    if isinstance(option.type, click.Choice):
        takes = tuple(option.type.choices)
    return frozenset(option.opts), takes, option.multiple


def _as_the_table_has_it(option: words.Option) -> tuple[frozenset[str], object, bool]:
    takes = "something" if isinstance(option.takes, str) else option.takes
    return frozenset(option.names), takes, option.repeated


CLICKED = [name for name in cli.SUBCOMMANDS if name != "demo"]


@pytest.mark.parametrize("name", CLICKED)
def test_the_table_is_what_click_has(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command, option, choice and argument of ours is in the table, and nothing else is."""
    table = {" ".join(command.words): command for command in words.COMMANDS}
    found = click_commands(name, monkeypatch)
    assert [path for path in table if path.split()[0] == name and path not in found] == []
    for path, command in found.items():
        options = [one for one in command.params if isinstance(one, click.Option)]
        shown = {_described(one) for one in options if not one.hidden}
        shown.add((frozenset({"-h", "--help"}), None, False))
        assert {_as_the_table_has_it(option) for option in table[path].options} == shown, path
        takes = any(isinstance(one, click.Argument) for one in command.params)
        assert (table[path].argument is not None) == takes, path


def test_the_table_has_every_subcommand() -> None:
    """The first words are the subcommands that there are, and `doctor`, which is on its way."""
    first = {command.words[0] for command in words.COMMANDS}
    assert first - {"doctor"} == set(cli.SUBCOMMANDS) - {"doctor"}


def test_the_table_has_mtls_runs_options() -> None:
    """Before TOOL: those that --help shows, each of which is taken, with a value or without."""
    shown = re.findall(r"(?m)^ +((?:-\w, +)?--?[\w-]+)( [A-Z]+)?(?: {2,}|$)", commands.HELP)
    helped = {name: bool(value) for names, value in shown for name in re.split(", +", names)}
    table = {name: one.takes is not None for one in words.OPTIONS for name in one.names}
    assert table == helped
    for name, takes in table.items():
        value = ["memfd" if name == "--handoff" else "corp"] if takes else []
        more = ["--explain"] if name == "--json" else []
        assert cli.parse([name, *value, *more, "uv", "lock"]).words == ("uv", "lock")


def test_words_that_have_choices() -> None:
    """What an option can be is what the code takes for it."""
    by_name = {name: one.takes for one in words.OPTIONS for name in one.names}
    assert by_name["--handoff"] == cli.HANDOFFS
    assert set(words.SHELL_NAMES) == SHELLS
