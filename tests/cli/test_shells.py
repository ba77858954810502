"""`mtls-run init` in real shells: what is typed reaches the tool, through mtls-run and as it was.

The tool is a fake one; `tests/e2e/test_typed.py` has real ones, and people at terminals.
"""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest

from mtls_run.output import NO_PROFILE
from tests.cli.support import failed, ready
from tests.powershell import started
from tests.shells import (
    COMMANDS,
    TOOLS,
    arguments,
    before,
    code,
    code_file,
    each_layer,
    each_layer_slowly,
    each_shell,
    in_slow_tier,
    run,
    run_layer,
    shims,
    status,
)
from tests.terminal import session

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

ODD = (
    *("pip", "install", "a b", "", "--", "-p", "--profile=x", "two\nlines\n", "tab\there"),
    *("it's", 'say "x"', "*", "?[a]", "{a,b}", "~", "$HOME", "`id`", "$(id)", "\\", "a\\nb", "%s"),
    *("#", "!", "!!", "&", ";", "|", "<", ">", "a=b", "(x)", "@1", "é ☃", os.fsdecode(b"\xff\xfe")),
    *("", " ", "\n"),
)


@each_layer
def test_odd_arguments(sandbox: Sandbox, shell: str, layer: str) -> None:
    """Whatever the words are, they reach the tool unaltered and in order, with the identity."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("uv")
    done = run_layer(sandbox, shell, layer, f"uv {arguments(shell)}", *ODD)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 1
    assert tool.seen().args == [os.fsencode(word) for word in ODD]
    assert tool.seen().get("SSL_CLIENT_CERT") == str(identity)


@each_shell
def test_words_as_typed(sandbox: Sandbox, shell: str) -> None:
    """A shell's own quotes mean to a function what they mean to a program."""
    sandbox.write("one.txt", "")
    tool = sandbox.fake_tool("uv")
    line = """uv run -- "a  b" '' \\* '*' *.txt "it's" a"b"'c' -- --help"""
    done = run(sandbox, shell, line, sources=[code_file(sandbox, shell)])
    assert done.returncode == 0, done.stderr
    expected = ["run", "--", "a  b", "", "*", "*", "one.txt", "it's", "abc", "--", "--help"]
    assert tool.seen().args == [word.encode() for word in expected]


@pytest.mark.parametrize("shell", ["bash", *map(in_slow_tier, ("zsh", "fish"))])
def test_each_tool(sandbox: Sandbox, shell: str) -> None:
    """pip, pip3, uv and uvx go through mtls-run; `command` reaches each of them bare."""
    identity = ready(sandbox)
    tools = {name: sandbox.fake_tool(name) for name in TOOLS}
    lines = [f"{name} download x; command {name} download y" for name in TOOLS]
    done = run(sandbox, shell, "; ".join(lines), sources=[code_file(sandbox, shell)])
    assert (done.returncode, done.stderr) == (0, "")
    for name, tool in tools.items():
        variable = "SSL_CLIENT_CERT" if name.startswith("uv") else "PIP_CLIENT_CERT"
        wrapped, bare = tool.seen(0), tool.seen(1)
        assert wrapped.args[-2:] == [b"download", b"x"]
        assert wrapped.get(variable) == str(identity)
        assert bare.args == [b"download", b"y"]
        assert [key for key in bare.env if key.startswith(b"MTLS_RUN")] == []
        assert bare.get(variable) is None


@each_shell
def test_evaluated_twice(sandbox: Sandbox, shell: str) -> None:
    """A file that is read again changes nothing: the same functions, the same PATH."""
    tool = sandbox.fake_tool("uv")
    init = f"{sandbox.program} init {shell} --shims"
    if shell == "fish":
        evaluate, listing = f"{init} | source", "begin; functions; complete -c mtls-run; end"
    else:
        listing = "{ declare -f; complete -p mtls-run; }" if shell == "bash" else "functions"
        evaluate = f'eval "$({init})"'
    script = f"{evaluate}\n{listing} >one; echo $PATH >>one\n"
    script += f"{evaluate}\n{listing} >two; echo $PATH >>two\nuv lock"
    done = run(sandbox, shell, script)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    one = (sandbox.home / "one").read_text()
    assert one == (sandbox.home / "two").read_text()
    assert "mtls_run" in one
    assert one.splitlines()[-1].count("mtls-run/shims") == 1
    assert tool.seen().args == [b"lock"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_strict(sandbox: Sandbox, shell: str) -> None:
    """A file that has `set -eu`, and zsh as a Korn shell, read it and have functions that work."""
    tool = sandbox.fake_tool("uv")
    path = code_file(sandbox, shell)
    options = "setopt ksharrays shwordsplit" if shell == "zsh" else "set -o pipefail"
    script = f"set -eu\n{options}\n. {path}\n. {path}\nuv lock\nuv\nfalse\necho not here"
    done = run(sandbox, shell, script)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert [tool.seen(0).args, tool.seen(1).args] == [[b"lock"], []]


@each_shell
def test_under_an_alias(sandbox: Sandbox, shell: str) -> None:
    """A user's alias of the same name, before or after, stays and its words go through."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("uv")
    alias = "alias uv='uv --quiet'"
    path = code_file(sandbox, shell)
    if shell == "fish":  # an alias is a function there: the later one counts
        script = f"{alias}\nsource {path}\nuv lock"
        expected = [b"lock"]
    else:
        shopt = "shopt -s expand_aliases" if shell == "bash" else ":"
        # An alias counts from the next line on that is read, and -c reads all of it at once.
        script = f"{shopt}\n{alias}\n. {path}\neval 'uv lock'"
        expected = [b"--quiet", b"lock"]
    done = run(sandbox, shell, script)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().args == expected
    assert tool.seen().get("SSL_CLIENT_CERT") == str(identity)


@each_shell
def test_only(sandbox: Sandbox, shell: str) -> None:
    """--only wraps what it names, each time it is given, and completes mtls-run all the same."""
    ready(sandbox)
    uv, pip = sandbox.fake_tool("uv"), sandbox.fake_tool("pip")
    path = code_file(sandbox, shell, "--only", "uv", "--only", "uvx")
    done = run(sandbox, shell, "uv lock; pip download x", sources=[path])
    assert (done.returncode, done.stderr) == (0, "")
    assert uv.seen().get("SSL_CLIENT_CERT") is not None
    assert pip.seen().get("SSL_CLIENT_CERT") is None
    assert [tool for tool in TOOLS if f"--wrapped {tool} " in code(shell, "--only", "uv")] == ["uv"]
    assert code(shell, "--only", "uv").splitlines()[-1] == code(shell).splitlines()[-1]


@each_shell
def test_further_tool(sandbox: Sandbox, shell: str) -> None:
    """--tool wraps another tool that mtls-run knows, beside the four or beside --only."""
    ready(sandbox)
    poetry, uv = sandbox.fake_tool("poetry"), sandbox.fake_tool("uv")
    path = code_file(sandbox, shell, "--only", "uv", "--tool", "poetry", "--tool", "git")
    line = "poetry run 'a b' --; command poetry install; uv lock"
    done = run(sandbox, shell, line, sources=[path])
    assert (done.returncode, done.stderr) == (0, "")
    wrapped, bare = poetry.seen(0), poetry.seen(1)
    assert wrapped.args == [b"run", b"a b", b"--"]
    assert wrapped.get("GIT_CONFIG_COUNT") is not None
    assert bare.get("GIT_CONFIG_COUNT") is None
    assert uv.seen().get("SSL_CLIENT_CERT") is not None
    assert "--wrapped pip " not in code(shell, "--only", "uv", "--tool", "poetry")


def test_only_what_is_wrapped(sandbox: Sandbox) -> None:
    """Another tool is refused with the names that there are."""
    done = sandbox.run("init", "bash", "--only", "poetry")
    failed(done, "'pip', 'pip3', 'uv', 'uvx'", "mtls-run init --help")
    done = sandbox.run("init", "bash", "--tool", "uv")
    failed(done, "--tool: 'uv' is not one of 'curl', 'flit', 'git',", "mtls-run init --help")


@each_shell
def test_no_completion(sandbox: Sandbox, shell: str) -> None:
    """--no-completion leaves the functions, which work, and nothing about completion."""
    tool = sandbox.fake_tool("uv")
    path = code_file(sandbox, shell, "--no-completion")
    text = path.read_text()
    assert "complet" not in text
    assert "compdef" not in text
    assert len(text.splitlines()) == 6
    done = run(sandbox, shell, "uv lock", sources=[path])
    assert done.returncode == 0, done.stderr
    assert tool.seen().args == [b"lock"]


@pytest.mark.parametrize("name", ["tcsh", "dash", "", "BASH"])
def test_unknown_shell(sandbox: Sandbox, name: str) -> None:
    """A shell that there is no code for is an error that names those and the shims."""
    hint = "for any other shell: mtls-run shims install"
    failed(sandbox.run("init", name), f"there is no shell code for `{name}`", hint)


@each_shell
def test_detected(sandbox: Sandbox, shell: str) -> None:
    """Without a name the code is for the shell that asks."""
    done = run(sandbox, shell, f"{sandbox.program} init; true")
    assert done.stdout == code(shell)


def test_detected_without_code(sandbox: Sandbox) -> None:
    """A shell that is found, and has no code, is the same error as its name."""
    done = run(sandbox, "dash", f"{sandbox.program} init; exit $?")
    failed(done, "there is no shell code for `dash`", "mtls-run shims install")


def test_powershell(sandbox: Sandbox) -> None:
    """PowerShell's names are the same code: a function for each tool, and a completer."""
    done = sandbox.run("init", "pwsh")
    assert (done.returncode, done.stdout) == (0, code("powershell"))
    assert set(started(done.stdout)) == {str(sandbox.program)}
    wrapped = [line.split()[1] for line in code("powershell").splitlines() if "--wrapped" in line]
    assert wrapped == [f"global:{tool}" for tool in TOOLS]
    assert "Register-ArgumentCompleter -Native -CommandName 'mtls-run'" in code("powershell")
    only = code("powershell", "--only", "pip", "--no-completion")
    assert only.count("--wrapped") == 1
    assert "Register-ArgumentCompleter" not in only


def test_powershell_starts_the_program(sandbox: Sandbox) -> None:
    """Wherever mtls-run lies, PowerShell starts that one, and adds the shims to its PATH."""
    program = sandbox.home / """it's "two" $HOME `x` é\\n *""" / "mtls-run"
    program.parent.mkdir()
    program.symlink_to(sandbox.program)
    done = sandbox.execute([program, "init", "powershell", "--shims"])
    assert started(done.stdout) == [str(program)] * (1 + len(TOOLS))


@each_shell
def test_path_of_the_program(sandbox: Sandbox, shell: str) -> None:
    """Wherever mtls-run lies, the code starts that one, quoted as the shell needs it."""
    program = sandbox.home / """it's "two" $HOME `x` é\\n *""" / "mtls-run"
    program.parent.mkdir()
    program.symlink_to(sandbox.program)
    tool = sandbox.fake_tool("uv")
    printed = sandbox.execute([program, "init", shell, "--no-completion"])
    path = sandbox.write("code", printed.stdout)
    done = run(sandbox, shell, "uv lock; command uv lock", sources=[path])
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 2


# Reads the own minor faults of this process's children (proc(5), cminflt), the eleventh field.
_CHILDREN = {
    "bash": "read -r -a of </proc/$$/stat; echo ${of[10]}",
    "zsh": "read -r -A of </proc/$$/stat; echo $of[11]",
    "fish": "read -d ' ' -a of </proc/$fish_pid/stat; echo $of[11]",
}


@each_shell
def test_no_process_when_a_shell_starts(sandbox: Sandbox, shell: str) -> None:
    """Evaluating the code starts nothing: a child that was waited for would have had faults."""
    look, path = _CHILDREN[shell], code_file(sandbox, shell, "--shims")
    done = run(sandbox, shell, f"{look}\n. {path}\n{look}\n/bin/true\n{look}")
    assert done.returncode == 0, done.stderr
    before_it, after_it, after_a_child = map(int, done.stdout.split())
    assert after_it == before_it
    assert after_a_child > after_it


@each_shell
def test_evaluated_without_programs(sandbox: Sandbox, shell: str) -> None:
    """Nothing on PATH is needed, not even mtls-run; a call then fails as for a missing program."""
    path = code_file(sandbox, shell)
    gone = path.read_text().replace(str(sandbox.program), str(sandbox.home / "gone"))
    path.write_text(gone)
    start = shutil.which(COMMANDS[shell][0])
    assert start is not None
    command = [start, *COMMANDS[shell][1:], "-c", f". {path}; echo read; uv lock"]
    done = sandbox.execute(command, env={"PATH": str(sandbox.bin)})
    assert (done.returncode, done.stdout) == (127, "read\n")
    assert str(sandbox.home / "gone") in done.stderr


@each_layer_slowly
def test_status(sandbox: Sandbox, shell: str, layer: str) -> None:
    """The tool's own status comes back through every layer."""
    sandbox.fake_tool("uv")
    setting = "set -gx FAKE_STATUS" if shell == "fish" else "export FAKE_STATUS"
    joint = " " if shell == "fish" else "="
    script = "\n".join(
        f"{setting}{joint}{number}\nuv lock\necho {status(shell)}" for number in (0, 7, 125, 255)
    )
    done = run_layer(sandbox, shell, layer, script)
    assert (done.stdout.split(), done.stderr) == (["0", "7", "125", "255"], "")


@each_layer_slowly
def test_signal(sandbox: Sandbox, shell: str, layer: str) -> None:
    """A tool that a signal kills is that to the shell: 128 and the signal's number."""
    sandbox.fake_tool("uv")
    number = signal.SIGTERM
    env = {"FAKE_SIGNAL": str(int(number))}
    done = run_layer(sandbox, shell, layer, f"uv lock; echo {status(shell)}", env=env)
    assert done.stdout.split() == [str(128 + number)]


@each_layer_slowly
def test_standard_input(sandbox: Sandbox, shell: str, layer: str) -> None:
    """A pipe into a tool reaches the tool whole, and so does what it says the next one."""
    tool = sandbox.fake_tool("uv")
    env = {"FAKE_STDIN": "1", "FAKE_STDOUT": "said"}
    script = "printf 'one\\ntwo' | uv pip install -r - | cat"
    done = run_layer(sandbox, shell, layer, script, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "said", "")
    assert tool.seen().stdin == b"one\ntwo"


@each_layer_slowly
def test_no_profile_is_no_news(sandbox: Sandbox, shell: str, layer: str) -> None:
    """Without a profile a wrapped tool says nothing of it, and a typed mtls-run does."""
    tool = sandbox.fake_tool("uv")
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    done = run_layer(sandbox, shell, layer, "uv pip install x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run_layer(sandbox, shell, layer, "mtls-run uv pip install x")
    assert done.stderr == f"mtls-run: notice: {NO_PROFILE}\n"
    assert tool.runs == 2


@each_layer_slowly
def test_disabled(sandbox: Sandbox, shell: str, layer: str) -> None:
    """MTLS_RUN_DISABLE=1 is the bare tool, whatever the profile, through every layer."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    done = run_layer(sandbox, shell, layer, "uv lock", env={"MTLS_RUN_DISABLE": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().get("SSL_CLIENT_CERT") is None
    assert tool.seen().args == [b"lock"]


@each_shell
def test_function_over_shim_over_virtual_environment(sandbox: Sandbox, shell: str) -> None:
    """With an environment activated, the function finds its pip, and not the one on PATH."""
    identity = ready(sandbox)
    other = sandbox.fake_tool("pip")
    own = sandbox.fake_tool("pip", folder=sandbox.home / "venv/bin")
    path = before(sandbox, sandbox.home / "venv/bin", shims(sandbox))
    env = {"PATH": path, "VIRTUAL_ENV": str(sandbox.home / "venv")}
    sources = [code_file(sandbox, shell)]
    done = run(sandbox, shell, "pip download x", sources=sources, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert (own.runs, other.runs) == (1, 0)
    assert own.seen().get("PIP_CLIENT_CERT") == str(identity)


@each_shell
def test_names_of_the_user_stay(sandbox: Sandbox, shell: str) -> None:
    """Variables and options of the shell are as they were, but for names that are ours."""
    path = code_file(sandbox, shell)
    listing = {
        "bash": "true | true; { compgen -v; shopt; set -o; }",
        "zsh": "{ typeset +; setopt; }",
    }
    look = listing.get(shell, "set --names")
    known = ["array precmd_functions"] if shell == "zsh" else []  # its hook waits for compinit
    done = run(sandbox, shell, f"{look} >one\n. {path}\n{look} >two")
    assert done.returncode == 0, done.stderr
    one, two = ((sandbox.home / name).read_text().splitlines() for name in ("one", "two"))
    assert one
    assert [line for line in two if line not in one and "mtls_run" not in line] == known


def test_at_a_terminal_it_says_what_to_do(sandbox: Sandbox) -> None:
    """Somebody who types `init bash` is told the line to add, whole and after the code."""
    with session(sandbox, sandbox.program, "init", "bash") as terminal:
        assert terminal.end() == 0
    *_, where, line = terminal.shown.rstrip().splitlines()
    assert where.endswith("~/.bashrc:")
    said = 'if command -v mtls-run >/dev/null; then eval "$(mtls-run init bash)"; fi'
    assert line.strip() == said
    assert "add to" not in sandbox.run("init", "bash").stderr
