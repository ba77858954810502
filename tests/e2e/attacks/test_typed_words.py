"""Words that somebody else has a user type, or that stand in a script: they steer the tool alone.

What comes after TOOL is the tool's, also where it looks like an option of mtls-run's; and what is
said of a command line, by `-v` and `--explain`, has no password of an index in it.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import alice, bundle, locked
from tests.sandbox import assert_absent
from tests.tiers import rotated

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.attack]

AFTER = {
    "--no-profile": ["--no-profile"],
    "--profile": ["--profile", "admin"],
    "--profile=": ["--profile=admin"],
    "-p": ["-p", "admin"],
    "--explain": ["--explain", "--json"],
    "--handoff": ["--handoff", "disk"],
    "--wrapped": ["--wrapped"],
    "-q": ["-q"],
    "--": ["--"],
    "-- with ours after it": ["--", "--no-profile", "--", "-p", "x"],
    "a file of words": ["@words"],
    "passphrase": ["passphrase", "forget", "corp"],
    "allow": ["allow", "."],
    "a variable": ["MTLS_RUN_PROFILE=admin"],
    "shell code": ["$(touch marker)", "`touch marker`", "; touch marker", "| touch marker", "*"],
    "format": ["%s%n", "{0.__class__}", "%(passphrase)s", "\\0"],
    "empty": ["", "", " "],
    "a line": ["a\nb", "a\rb", "\t"],
    "not UTF-8": [os.fsdecode(b"\xff\xfe\x80")],
    "long": ["x" * 100_000],
    "many": ["x"] * 20_000,
}


@pytest.mark.parametrize(("kind", "tool"), rotated(AFTER, ("uv", "pip")))
def test_after_the_tool(sandbox: Sandbox, canary: Canary, tool: str, kind: str) -> None:
    """Every word after TOOL reaches the tool as it is, and none changes the profile."""
    locked(sandbox, canary.text)
    fake = sandbox.fake_tool(tool)
    sandbox.write("words", "--no-profile\n--cert=/evil.pem\n")
    command = [*(["uv", "pip"] if tool == "uv" else ["pip"]), "install", *AFTER[kind]]
    done = sandbox.run(*command, env={"CI": "1"})
    assert (done.returncode, done.stderr) == (0, ""), done
    seen = fake.seen()
    assert seen.args[-len(AFTER[kind]) :] == [os.fsencode(word) for word in AFTER[kind]]
    assert seen.files["SSL_CLIENT_CERT"] == seen.files["PIP_CLIENT_CERT"] == alice().pem()
    assert seen.files["SSL_CERT_FILE"] == seen.files["PIP_CERT"] == bundle()
    assert not list(sandbox.home.rglob("marker"))
    secrets: list[str | bytes] = [canary.text, *alice().traces]
    assert_absent(secrets, *seen.argv, done.stdout, done.stderr, below=[sandbox.root])


CERTS = {
    "--cert": (["--cert", "@"], "SSL_CERT_FILE", "--client-cert"),
    "--cert=": (["--cert=@"], "SSL_CERT_FILE", "--client-cert"),
    "--cer": (["--cer", "@"], "SSL_CERT_FILE", "--client-cert"),
    "--ce=": (["--ce=@"], "SSL_CERT_FILE", "--client-cert"),
    "--client-cert": (["--client-cert", "@"], "SSL_CLIENT_CERT", "--cert"),
    "--client=": (["--client=@"], "SSL_CLIENT_CERT", "--cert"),
    "--cl": (["--cl", "@"], "SSL_CLIENT_CERT", "--cert"),
}


@pytest.mark.parametrize("kind", CERTS)
def test_abbreviated_certificate(sandbox: Sandbox, canary: Canary, kind: str) -> None:
    """An abbreviated --cert or --client-cert wins as the whole does, and the other is injected."""
    locked(sandbox, canary.text)
    fake = sandbox.fake_tool("pip")
    typed, _, other = CERTS[kind]
    words = [word.replace("@", str(sandbox.home / "own.pem")) for word in typed]
    done = sandbox.run("pip", "install", *words, "x")
    assert done.returncode == 0, done
    args = [os.fsdecode(word) for word in fake.seen().args]
    # optparse lets the last one count: ours stand before the user's, and not twice.
    injected = args[: args.index("install")]
    assert [word for word in injected if word in ("--cert", "--client-cert")] == [other]
    assert args[-len(words) - 1 :] == [*words, "x"]
    assert_absent([canary.text, *alice().traces], *fake.seen().argv, below=[sandbox.root])


PASSWORD = "s3cret-of-the-index"
WORDS = {
    "--index-url": ["--index-url", f"https://alice:{PASSWORD}@index.example/simple"],
    "--index-url=": [f"--index-url=https://alice:{PASSWORD}@index.example/simple"],
    "-i": [f"-ihttps://alice:{PASSWORD}@index.example/simple"],
    "a token": ["--extra-index-url", f"https://{PASSWORD}@index.example/simple"],
    "capitals": ["--index-url", f"HTTPS://alice:{PASSWORD}@INDEX.example/simple"],
    "an address": ["--index-url", f"https://alice:{PASSWORD}@[::1]:8443/simple"],
    "git": [f"git+https://alice:{PASSWORD}@git.example/x.git@main#egg=x"],
    "a requirement": [f"x @ https://alice:{PASSWORD}@index.example/x.whl"],
    "a named index": ["--index", f"corp=https://alice:{PASSWORD}@index.example/simple"],
    "a proxy": ["--proxy", f"alice:{PASSWORD}@proxy.example:3128"],
    "a proxy=": [f"--proxy=http://alice:{PASSWORD}@proxy.example:3128"],
    "several": ["--find-links", f"https://h.example/,https://alice:{PASSWORD}@index.example/"],
    "a slash in it": ["--index-url", f"https://alice:x/{PASSWORD}@index.example/simple"],
    "an at in it": ["--index-url", f"https://alice:x@{PASSWORD}@index.example/simple"],
}


@pytest.mark.parametrize(("kind", "tool"), rotated(WORDS, ("uv", "pip")))
def test_password_in_a_word(sandbox: Sandbox, canary: Canary, tool: str, kind: str) -> None:
    """A password on the command line reaches the tool, and nothing that mtls-run says."""
    locked(sandbox, canary.text)
    fake = sandbox.fake_tool(tool)
    command = [*(["uv", "pip"] if tool == "uv" else ["pip"]), "install", *WORDS[kind]]
    for options in (("-v",), ("--explain",), ("--explain", "--json")):
        done = sandbox.run(*options, *command)
        assert done.returncode == 0, done
        assert_absent([PASSWORD, canary.text, *alice().traces], done.stdout, done.stderr)
        if "--json" in options:
            assert len(json.loads(done.stdout)["argv"]) >= len(command)
    assert [os.fsdecode(word) for word in fake.seen().args[-len(WORDS[kind]) :]] == WORDS[kind]
    assert_absent([PASSWORD], below=[sandbox.root / "cache", sandbox.root / "state"])


VALUES = {
    "blank": f"https://h.example/ https://alice:{PASSWORD}@index.example/simple",
    "line": f"https://h.example/\nhttps://alice:{PASSWORD}@index.example/simple",
    "tab": f"https://h.example/\thttps://{PASSWORD}@index.example/simple",
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", ["PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_PROXY"])
def test_password_in_a_variable(sandbox: Sandbox, name: str, kind: str) -> None:
    """A password in a variable of pip's is shown by no explanation, nor by doctor."""
    root = sandbox.write("root.pem", bundle())
    sandbox.fake_tool("uv")
    env = {name: VALUES[kind], "PIP_CERT": str(root)}
    for words in (("-v",), ("--explain",), ("--explain", "--json")):
        done = sandbox.run(*words, "uv", "pip", "install", "x", env=env)
        assert done.returncode == 0, done
        assert_absent([PASSWORD], done.stdout, done.stderr)
    done = sandbox.run("doctor", "--json", env=env)
    assert done.returncode in (0, 1), done
    assert_absent([PASSWORD], done.stdout, done.stderr)
    assert_absent([PASSWORD], below=[sandbox.root])
