"""The same command typed in four shells: through function, shim and nested, at a real terminal.

nginx's log says which client called; the passphrase's source says how often it was asked.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import newest_pip, newest_uv
from tests.sandbox import assert_absent
from tests.shells import (
    READY,
    WITH_CODE,
    before,
    code_file,
    in_slow_tier,
    last_status,
    shims,
    typing,
)
from tests.terminal import PROMPT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from tests.e2e.bench import Bench
    from tests.sandbox import Canary
    from tests.terminal import Terminal

pytestmark = pytest.mark.e2e

STOP = "\x1a"  # Ctrl-Z
INSTALL = 'uv pip install --python "$PYTHON" --target "$TARGET" --index-url "$URL" alpha-pkg'
DOWNLOAD = 'pip download --no-deps --dest "$DOWNLOADS" --index-url "$URL" beta-pkg'
NESTED = 'uv run --no-project --python "$PIPS_PYTHON" make'
# The Python of `uv run` stands first on PATH then, so that this pip is a bare one.
MAKEFILE = f"""all:
\t{DOWNLOAD.replace("$", "$$")}
\tmtls-run {DOWNLOAD.replace("$", "$$").replace("beta-pkg", "alpha-pkg")}
\t{INSTALL.replace("$", "$$")}
"""
LAYERS = [
    *((shell, layer) for shell in WITH_CODE for layer in ("function", "shim", "both")),
    ("dash", "shim"),
]
every_shell = pytest.mark.parametrize("shell", [*WITH_CODE, "dash"])
every_shell_slowly = pytest.mark.parametrize(
    "shell", ["bash", *map(in_slow_tier, ("zsh", "fish", "dash"))]
)


@pytest.fixture
def asked(bench: Bench, canary: Canary) -> None:
    """Write a profile whose passphrase is asked for at the terminal, and put the tools on PATH."""
    sandbox = bench.sandbox
    sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"\npassphrase = "prompt"')
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    sandbox.env.update(
        PATH=f"{newest_uv().ready().bin}:{newest_pip().ready().bin}:{sandbox.env['PATH']}",
        PYTHON=sys.executable,
        PIPS_PYTHON=str(newest_pip().python),
        TARGET=str(bench.target),
        DOWNLOADS=str(sandbox.home / "downloads"),
        URL=bench.server.url,
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    sandbox.write("Makefile", MAKEFILE)


@pytest.fixture
def counted(asked: None, bench: Bench, canary: Canary) -> None:  # noqa: ARG001 - it comes first
    """Let a program say the passphrase, which writes down each time that it is asked."""
    sandbox = bench.sandbox
    sandbox.write("vault", canary.text)
    ask = f"echo asked >> {sandbox.home}/count; cat {sandbox.home}/vault"
    bench.profile(
        f'client-cert = "~/pki/alice.pem"\npassphrase = {{ command = ["sh", "-c", "{ask}"] }}'
    )


def at(
    bench: Bench, shell: str, layer: str = "", env: Mapping[str, str] | None = None
) -> AbstractContextManager[Terminal]:
    """Sit in a shell with this layer; where none is named, in what the shell can have of them."""
    sandbox, changes = bench.sandbox, dict(env or {})
    if shell == "dash" or layer in ("shim", "both"):
        changes.setdefault("PATH", before(sandbox, shims(sandbox)))
    has_code = shell != "dash" and layer != "shim"
    text = f". {code_file(sandbox, shell)}" if has_code else ""
    return typing(sandbox, shell, text, changes)


def fake(bench: Bench) -> dict[str, str]:
    """Return the changes under which the fake tools of the sandbox are those on PATH."""
    return {"PATH": f"{shims(bench.sandbox)}:{bench.sandbox.bin}:/usr/bin:/bin"}


def assert_admitted(bench: Bench, *agents: str) -> None:
    """Fail unless the index was called on by this client alone, with all of these tools."""
    requests = bench.server.requests()
    assert {request.subject for request in requests} == {bench.subject}
    assert {request.verify for request in requests} == {"SUCCESS"}
    assert bench.server.failed_handshakes() == []
    assert {request.agent.partition("/")[0] for request in requests} == set(agents)


@pytest.mark.slow
@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(("shell", "layer"), LAYERS)
def test_through_each_layer(bench: Bench, shell: str, layer: str) -> None:
    """Typed, uv and pip: both are the right client, and each unlocks by itself, once."""
    with at(bench, shell, layer) as terminal:
        for line in (INSTALL, DOWNLOAD):
            terminal.type(line)
            terminal.expect(READY)
            assert last_status(terminal, shell) == 0, terminal.shown
    assert bench.installed() == WHEELS
    assert_admitted(bench, "uv", "pip")
    assert (bench.sandbox.home / "count").read_text() == "asked\n" * 2


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("shell", "handoff"),
    [
        *(("bash", "memfd"), ("dash", "memfd"), in_slow_tier("zsh", "memfd")),
        in_slow_tier("fish", "memfd"),
        *(in_slow_tier(shell, "supervise") for shell in (*WITH_CODE, "dash")),
    ],
)
def test_nested(bench: Bench, shell: str, handoff: str) -> None:
    """Function, shim, `uv run`, make, and below it pip and uv by shims: unlocked once in all."""
    with at(bench, shell, "both", {"MTLS_RUN_HANDOFF": handoff}) as terminal:
        terminal.type(NESTED)
        terminal.expect(READY)
        assert last_status(terminal, shell) == 0, terminal.shown
    assert bench.installed() == WHEELS
    names = {path.name.partition("-")[0] for path in (bench.sandbox.home / "downloads").iterdir()}
    assert names == {"alpha_pkg", "beta_pkg"}
    assert_admitted(bench, "uv", "pip")
    assert (bench.sandbox.home / "count").read_text() == "asked\n"


@pytest.mark.slow
@pytest.mark.usefixtures("asked")
@every_shell
def test_nested_asks_once(bench: Bench, canary: Canary, shell: str) -> None:
    """The same with a person who is asked: one question, at the very beginning."""
    with at(bench, shell, "both") as terminal:
        terminal.type(NESTED)
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(READY)
        assert last_status(terminal, shell) == 0, terminal.shown
        assert terminal.shown.lower().count("passphrase") == 1, terminal.shown
    assert bench.installed() == WHEELS
    assert_admitted(bench, "uv", "pip")
    canary.assert_absent(terminal.shown, below=[bench.sandbox.root])


@pytest.mark.usefixtures("asked")
@every_shell_slowly
def test_asked_while_standard_input_is_a_pipe(bench: Bench, canary: Canary, shell: str) -> None:
    """What is piped is the tool's, whole; the passphrase is typed at the terminal."""
    line = INSTALL.replace("alpha-pkg", "-r -")
    with at(bench, shell) as terminal:
        terminal.type(f"printf '# one\\nalpha-pkg\\n' | {line}")
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(READY)
        assert last_status(terminal, shell) == 0, terminal.shown
    assert bench.installed() == WHEELS
    assert_admitted(bench, "uv")
    canary.assert_absent(terminal.shown, below=[bench.sandbox.root])


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("piped", ["", in_slow_tier("true | ")], ids=["alone", "pipe"])
@every_shell_slowly
def test_interrupt_at_the_question(bench: Bench, canary: Canary, shell: str, piped: str) -> None:
    """Ctrl-C ends it with 130; the terminal echoes again, and the next command is as ever."""
    with at(bench, shell) as terminal:
        terminal.type(f"{piped}{INSTALL}; stty -a")
        terminal.expect(PROMPT)
        terminal.press(canary.text[:9])
        terminal.interrupt()
        terminal.expect(READY)
        terminal.type(f"{piped}{INSTALL}")
        terminal.expect(PROMPT)
        terminal.interrupt()
        terminal.expect(READY)
        assert last_status(terminal, shell) == 130
        seen = terminal.shown
        terminal.type("stty -a; echo d''one")
        terminal.expect("done")
        settings = terminal.shown[len(seen) :].split()
    assert "icanon" in settings
    assert "echo" in settings
    assert "-echo" not in settings
    assert "Traceback" not in terminal.shown
    assert bench.server.requests() == []


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("handoff", ["memfd", in_slow_tier("supervise")])
@every_shell_slowly
def test_interrupt_the_tool(bench: Bench, shell: str, handoff: str) -> None:
    """Ctrl-C while the tool runs is the tool's; the shell sees it killed, and no key is left."""
    tool = bench.sandbox.fake_tool("uv")
    env = {**fake(bench), "FAKE_STDOUT": "it runs\n", "FAKE_WAIT": "1"}
    with at(bench, shell, env={**env, "MTLS_RUN_HANDOFF": handoff}) as terminal:
        terminal.type("uv lock")
        terminal.expect("it runs")
        terminal.interrupt()
        terminal.expect(READY)
        assert last_status(terminal, shell) == 130, terminal.shown
    assert tool.runs == 1
    assert "Traceback" not in terminal.shown
    assert_absent(bench.alice.traces, below=[bench.sandbox.root])


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("handoff", ["memfd", in_slow_tier("supervise")])
@pytest.mark.parametrize(
    ("shell", "layer"), [("bash", "function"), *(in_slow_tier(*one) for one in LAYERS[1:])]
)
def test_stop_and_go_on(bench: Bench, shell: str, layer: str, handoff: str) -> None:
    """Ctrl-Z gives the shell back, `fg` the tool, which goes on and ends with its own status."""
    tool = bench.sandbox.fake_tool("uv")
    script = "echo it runs; until [ -e go ]; do sleep 0.05; done; echo it went on; exit 7"
    env = {**fake(bench), "FAKE_SHELL": script, "MTLS_RUN_HANDOFF": handoff}
    with at(bench, shell, layer, env=env) as terminal:
        terminal.type("uv lock")
        terminal.expect("it runs")
        terminal.press(STOP)
        terminal.expect(READY)
        terminal.type("touch go; jobs; echo d''one")
        terminal.expect("(?i)(stopped|suspended)")
        terminal.expect("done")
        terminal.expect(READY)
        assert "it went on" not in terminal.shown
        terminal.type("fg")
        terminal.expect("it went on")
        terminal.expect(READY)
        status = last_status(terminal, shell)
    # Once it was stopped, zsh forgets the status of any function, and fish of any command.
    forgotten = shell == "fish" or (shell == "zsh" and layer != "shim")
    assert status == (0 if forgotten else 7), terminal.shown
    assert tool.runs == 1
    assert (bench.sandbox.home / "count").read_text() == "asked\n"


@pytest.mark.slow
@pytest.mark.usefixtures("asked")
@every_shell
def test_stop_at_the_question(bench: Bench, canary: Canary, shell: str) -> None:
    """Ctrl-Z at the question gives an echoing shell back; after `fg` the answer still serves."""
    with at(bench, shell) as terminal:
        terminal.type(INSTALL)
        terminal.expect(PROMPT)
        terminal.press(STOP)
        terminal.expect(READY)
        terminal.type("stty -a; echo d''one")
        terminal.expect("done")
        assert "-echo " not in terminal.shown
        terminal.expect(READY)
        terminal.type("fg")
        terminal.expect(PROMPT)
        terminal.type(canary.text)
        terminal.expect(READY)
        assert last_status(terminal, shell) == 0, terminal.shown
    assert bench.installed() == WHEELS
    canary.assert_absent(terminal.shown)


@pytest.mark.slow
@pytest.mark.parametrize("shell", WITH_CODE)
def test_tab_after_tool_with_the_real_uv(bench: Bench, shell: str) -> None:
    """`mtls-run uv pip ins<Tab>` and `uv pip ins<Tab>`: what uv itself generates completes both."""
    sandbox, uv = bench.sandbox, newest_uv().ready()
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    generated = sandbox.execute([uv.program, "generate-shell-completion", shell])
    assert generated.returncode == 0
    path = sandbox.write("uv-completion", generated.stdout)
    tool = sandbox.fake_tool("uv")
    compinit = "autoload -Uz compinit\ncompinit -u -D\n" if shell == "zsh" else ""
    text = f"{compinit}. {path}\n. {code_file(sandbox, shell)}"
    with typing(sandbox, shell, text) as terminal:
        for line in (
            *("uv generate-sh\tbash", "mtls-run -q uv generate-sh\tbash"),
            *("mtls-run -q uv pip inst\tx", "mtls-run -q -- uv pip uninst\tx"),
        ):
            terminal.type(f"{line}; echo d''one")
            terminal.expect("done")
            terminal.expect(READY)
    typed = [b" ".join(tool.seen(run).args).decode() for run in range(tool.runs)]
    assert typed == [
        *["generate-shell-completion bash"] * 2,
        "pip install x",
        "pip uninstall x",
    ], terminal.shown
