"""Words of strangers are shown, and never obeyed by the terminal that shows them.

A certificate's subject, a file's name, a key of a project file, the answer of a program: each may
hold what moves a cursor, sets a title, or turns a line around. What mtls-run says has none of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import ISSUER, ROOT, ready, write_profile
from tests.pki import Authority
from tests.tiers import rotated

if TYPE_CHECKING:
    import subprocess

    from tests.sandbox import Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.attack]

# Clears a screen, rings, returns, goes up a line, sets a title; C1's CSI; and turns text around.
EVIL = {
    "escape": "\x1b[2J",
    "bell": "\x07",
    "return": "x\rmtls-run: all is well",
    "title": "\x1b]0;owned\x07",
    "C1": "\x9b2J",
    "bidi": "\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "line": "\nmtls-run: error: forged",
    "zero width": "a\u200bb",
}
INSTALL = ("uv", "pip", "install", "x")
FILES = (".mtls-run.toml", "pyproject.toml")
EVERY = pytest.mark.parametrize("evil", EVIL.values(), ids=EVIL.keys())
# What a POSIX file name, or a TOML string by its escapes, may hold is all of it.


def toml(text: str) -> str:
    """Return the text as a TOML string."""
    return json.dumps(text)


def assert_tame(done: subprocess.CompletedProcess[str], evil: str, *, shown: bool = True) -> None:
    """Fail where its words hold a control character, or are more lines than it speaks.

    With `shown`, what was evil has to be there, spelt out.
    """
    for text in (done.stdout, done.stderr):
        assert all(line.isprintable() for line in text.split("\n")), (text, done)
    assert "Traceback" not in done.stderr
    assert not any(line.startswith("mtls-run: error: forged") for line in done.stderr.split("\n"))
    if shown:
        spelt = evil.encode("unicode_escape").decode("ascii")
        said = done.stdout + done.stderr
        assert spelt in said or json.dumps(evil)[1:-1] in said, done


@EVERY
def test_subject(sandbox: Sandbox, evil: str) -> None:
    """An expired certificate's subject is spelt out in the error that stops the run."""
    alice = ISSUER.issue(f"alice{evil}", starts=-5, days=-1)
    sandbox.write("pki/alice.pem", alice.pem())
    sandbox.write("pki/root.pem", ROOT.pem)
    write_profile(sandbox)
    tool = sandbox.fake_tool("uv")
    done = sandbox.run(*INSTALL)
    assert done.returncode == 125, done
    assert_tame(done, evil, shown=";" not in evil)  # a distinguished name has its own escape for it
    for words in (("profile", "show"), ("profile", "list"), ("doctor", "--json")):
        assert_tame(sandbox.run(*words), evil, shown=False)
    assert tool.runs == 0


@EVERY
def test_issuer(sandbox: Sandbox, evil: str) -> None:
    """A valid identity of an issuer with such a name is shown, and used."""
    issuer = Authority.create("Root").intermediate(f"Issuer{evil}")
    ready(sandbox)
    sandbox.write("pki/alice.pem", issuer.issue(f"alice{evil}").pem())
    tool = sandbox.fake_tool("uv")
    assert_tame(sandbox.run("-v", *INSTALL), evil, shown=False)
    for words in (("profile", "show"), ("profile", "list"), ("--explain", *INSTALL)):
        assert_tame(sandbox.run(*words), evil, shown=False)
    assert tool.runs == 1


SAID = (
    "[profiles.corp]\n@ = 1",
    "[profiles.corp]\nroots = @",
    "[profiles.corp]\nclient-cert = @",
    "[profiles.corp]\nextends = @",
    "[profiles.@]\nroots = 'none'",
    "default-profile = @",
    "[[directories]]\npath = '~'\nprofile = @",
    "[profiles.corp]\npassphrase = { @ = 1 }",
    "[profiles.corp]\nclient-cert = '~/pki/locked.pem'\npassphrase = { command = [@] }",
    "[profiles.corp]\nclient-cert = '~/pki/locked.pem'\npassphrase = { file = @ }",
)


@pytest.mark.parametrize(("said", "evil"), rotated(SAID, EVIL.values()))
def test_configuration(sandbox: Sandbox, said: str, evil: str) -> None:
    """A word of a configuration is spelt out in the error, whatever it is wrong for."""
    sandbox.write("pki/locked.pem", ISSUER.issue("alice").pem("a passphrase"))
    sandbox.write_config(
        'default-profile = "corp"\n' * ("default" not in said) + said.replace("@", toml(evil))
    )
    tool = sandbox.fake_tool("uv")
    for words in ((), ("-v",), ("--explain",)):
        done = sandbox.run(*words, *INSTALL)
        assert done.returncode == 125 or words == ("--explain",), done
        assert_tame(done, evil, shown=False)
    assert_tame(sandbox.run("profile", "list"), evil, shown=False)
    assert tool.runs == 0


@EVERY
def test_words_of_argv(sandbox: Sandbox, evil: str) -> None:
    """A profile, a tool or a subcommand of such a name is spelt out in the error."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    for words in (("-p", evil, *INSTALL), (evil,), ("--", evil), ("profile", evil), (f"--{evil}",)):
        done = sandbox.run(*words)
        assert done.returncode in (125, 127), done
        assert_tame(done, evil)


@pytest.mark.parametrize(("evil", "name"), rotated(EVIL.values(), FILES))
def test_directory(sandbox: Sandbox, name: str, evil: str) -> None:
    """A clone in a directory of such a name is shown by `allow`, `-v` and the error, spelt out."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    clone = sandbox.home / f"work/clone{evil}".replace("\n", "\v")
    table = "[tool.mtls-run]\n" if name == "pyproject.toml" else ""
    sandbox.write(
        clone / name, f'{table}roots = "none"\nca-cert = "x{evil!a}"\n'.replace("'", ""), 0o644
    )
    shown = evil.replace("\n", "\v")
    done = sandbox.run(*INSTALL, cwd=clone)
    assert done.returncode == 125, done
    assert_tame(done, shown)
    assert_tame(sandbox.run("allow", cwd=clone), shown, shown=False)
    assert_tame(sandbox.run("-v", *INSTALL, cwd=clone), shown, shown=False)
    assert_tame(sandbox.run("deny", cwd=clone), shown, shown=False)


@EVERY
def test_answer_of_the_tool(sandbox: Sandbox, evil: str) -> None:
    """What a program says in place of its version is spelt out."""
    ready(sandbox)
    sandbox.write(sandbox.home / "answer", f"not-uv {evil}")
    sandbox.write(sandbox.bin / "pip", '#!/bin/sh\nexec cat "$HOME/answer"\n', 0o755)
    done = sandbox.run("pip", "install", "x")
    assert done.returncode == 125, done
    assert_tame(done, evil, shown="\n" not in evil and "\r" not in evil)


@EVERY
def test_explanation(sandbox: Sandbox, evil: str) -> None:
    """`--explain` spells out what it shows, and its JSON is JSON, and the words themselves."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    words = ("uv", "pip", "install", f"x{evil}")
    assert_tame(sandbox.run("--explain", *words), evil, shown=False)
    done = sandbox.run("--explain", "--json", *words)
    assert_tame(done, evil)
    assert json.loads(done.stdout)["argv"][-1] == f"x{evil}"


@pytest.mark.parametrize("where", ["argument", "UV_INDEX_URL", "pip.conf"])
def test_password_in_a_url(sandbox: Sandbox, where: str) -> None:
    """The password of an index is in no explanation and in no decision that is shown."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    url = "https://alice:s3cret-of-the-index@index.example/simple"
    more = ("--index-url", url) if where == "argument" else ()
    if where == "UV_INDEX_URL":
        sandbox.env["UV_INDEX_URL"] = url
    if where == "pip.conf":
        sandbox.env["PIP_CONFIG_FILE"] = str(
            sandbox.write(
                "pip.conf", f"[global]\ncert = {sandbox.home}/pki/root.pem\nindex-url = {url}\n"
            )
        )
        sandbox.write_config("")
    for words in (("-v",), ("--explain",), ("--explain", "--json")):
        done = sandbox.run(*words, *INSTALL, *more)
        assert done.returncode == 0, done
        assert "s3cret-of-the-index" not in done.stdout + done.stderr
    assert tool.runs == 1
