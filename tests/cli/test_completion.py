"""Completion: its words by each shell's own machinery, and Tab pressed at real terminals."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from mtls_run import cli
from tests import completion_data
from tests.shells import code_file, each_shell, enter, in_slow_tier, run, typing
from tests.terminal import session

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

PROFILES = '[profiles.corp]\nroots = "public"\n[profiles.other]\nroots = "public"\n'
TABLE = completion_data.Table()
FIRST = {*completion_data.FIRST, *cli.SUBCOMMANDS}
OWN = {name for option in TABLE.options for name in option.names}
ADDS = {
    *("--client-cert", "--client-key", "--ca-cert", "--roots", "--passphrase", "--extends"),
    *("--remember", "--handoff", "--host", "--path", "--force", "--default", "--help"),
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
    "mtls-run --handoff ": {"gateway", "memfd", "supervise"},
    "mtls-run --handoff=m": {"memfd"},
    "mtls-run -p ": {"corp", "other"},
    "mtls-run --profile ": {"corp", "other"},
    "mtls-run --profile=": {"corp", "other"},
    "mtls-run --profile=o": {"other"},
    "mtls-run -p corp ": FIRST,
    "mtls-run -v --profile=corp pro": {"profile"},
    "mtls-run bin/my": {"my-uv"},
    "mtls-run profile ": {"list", "show", "add", "import", "edit", "remove", "default", "renew"},
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
    "mtls-run init --tool pip": {"pipx", "pipenv"},
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
set -g fish_complete_path # fish 4 has a completion for uv, which runs uv
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


def test_the_words_are_those_of_the_commands() -> None:
    """Each command, option and choice that mtls-run has is in the files, and nothing else is."""
    for path, text in completion_data.files().items():
        hint = "run: python -m tests.completion_data"
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old; {hint}"


def test_the_options_before_the_tool() -> None:
    """Each option that --help shows is taken, with a value or without."""
    for option in TABLE.options:
        value = ["memfd" if "--handoff" in option.names else "corp"] if option.takes else []
        more = ["--explain"] if "--json" in option.names else []
        for name in option.names:
            assert cli.parse([name, *value, *more, "uv", "lock"]).words == ("uv", "lock")


def test_init_does_not_wait_for_the_commands(sandbox: Sandbox) -> None:
    """A shell evaluates `init` when it starts: neither click nor another command is imported."""
    script = (
        "import sys; sys.argv[1:] = ['init', 'bash']; sys.argv[0] = sys.executable\n"
        "from mtls_run import __main__\n"
        "try: __main__.main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = sandbox.execute([sys.executable, "-c", script])
    modules = set(done.stderr.split())
    assert "complete -F _mtls_run mtls-run\n" in done.stdout
    assert modules & {"click", "tomlkit", "cryptography", "mtls_run.commands.shims"} == set()
