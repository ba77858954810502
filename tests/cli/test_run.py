"""The installed program before a tool that records what it was started with, byte for byte."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mtls_run.output import NO_PROFILE
from tests.cli.support import (
    AMBIENT,
    BUNDLE,
    IDENTITY,
    NATIVE,
    alice,
    bundle,
    failed,
    locked,
    ready,
)
from tests.sandbox import assert_absent
from tests.tiers import first

if TYPE_CHECKING:
    from tests.sandbox import Canary, FakeTool, Sandbox, Seen

pytestmark = pytest.mark.everyday

ODD = ["a b", "", "--", "--cert=after", "*", "$HOME", "\n", os.fsdecode(b"\xff\xfe")]
ODD_BYTES = [os.fsencode(word) for word in ODD]
LEGACY = b"--use-deprecated=legacy-certs"
PIPS = ("24.0", "24.2", "26.3")


def ran(tool: FakeTool, sandbox: Sandbox, *words: str, env: dict[str, str] | None = None) -> Seen:
    """Run mtls-run with these words, and return what the tool saw of its one run."""
    done = sandbox.run(*words, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    assert tool.runs == 1
    return tool.seen()


def expected_environment(sandbox: Sandbox, changes: dict[str, str | None]) -> dict[bytes, bytes]:
    """Return the sandbox's environment with these changes, as bytes."""
    return {os.fsencode(k): os.fsencode(v) for k, v in sandbox.environment(changes).items()}


def environment(seen: Seen) -> dict[bytes, bytes]:
    """Return what the tool saw, without what its own Python may add, and what is for git and tox.

    tests/unit/test_tools_git.py has those.
    """
    others = (b"LC_CTYPE", b"GIT_CONFIG_", b"TOX_OVERRIDE")
    return {name: value for name, value in seen.env.items() if not name.startswith(others)}


def cached_bundle(sandbox: Sandbox) -> str:
    """Return the one bundle in the cache."""
    (path,) = (sandbox.root / "cache/mtls-run/bundles").iterdir()
    assert path.read_bytes() == bundle()
    return str(path)


# --- argv and environment, exactly


@pytest.mark.parametrize("ambient", [{}, AMBIENT, dict.fromkeys(AMBIENT, "")])
def test_uv(sandbox: Sandbox, ambient: dict[str, str]) -> None:
    """Uv gets its arguments as typed, and the variables of the profile and of nothing else."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("uv")
    seen = ran(tool, sandbox, "uv", "pip", "install", *ODD, env=ambient)
    assert seen.argv == [os.fsencode(tool.path), b"pip", b"install", *ODD_BYTES]
    changes: dict[str, str | None] = dict.fromkeys(BUNDLE, cached_bundle(sandbox))
    changes.update(dict.fromkeys(IDENTITY, str(identity)))
    active = seen.get("MTLS_RUN_ACTIVE")
    assert active is not None
    assert environment(seen) == expected_environment(
        sandbox, {**changes, "MTLS_RUN_ACTIVE": active}
    )
    assert seen.files["SSL_CLIENT_CERT"] == alice().pem()
    assert seen.files["SSL_CERT_FILE"] == bundle()


@pytest.mark.parametrize("version", PIPS)
def test_pip(sandbox: Sandbox, version: str) -> None:
    """Pip gets flags before its subcommand, legacy-certs from 24.2 on, and the variables."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("pip", version)
    seen = ran(tool, sandbox, "pip", "-q", "install", *ODD, env=AMBIENT)
    ca = cached_bundle(sandbox)
    newer = version != "24.0"
    flags = [b"--cert", os.fsencode(ca), *([LEGACY] if newer else [])]
    flags += [b"--client-cert", os.fsencode(identity)]
    assert seen.argv == [os.fsencode(tool.path), *flags, b"-q", b"install", *ODD_BYTES]
    changes: dict[str, str | None] = dict.fromkeys(BUNDLE, ca)
    changes.update(dict.fromkeys(IDENTITY, str(identity)))
    changes["PIP_USE_DEPRECATED"] = "legacy-certs" if newer else None
    changes["MTLS_RUN_ACTIVE"] = seen.get("MTLS_RUN_ACTIVE")
    assert environment(seen) == expected_environment(sandbox, changes)
    assert tool.version_questions == 1


@pytest.mark.parametrize(
    "words",
    [
        ["python3", "-m", "pip", "install", "x"],
        ["python3", "-W", "ignore", "-Im", "pip", "install", "x"],
        ["py", "-3", "-m", "pip", "install", "x"],
    ],
)
def test_pip_by_python(sandbox: Sandbox, words: list[str]) -> None:
    """`python -m pip` gets the flags after the module's name."""
    ready(sandbox)
    fake = sandbox.fake_tool("pip", "24.0")
    python = fake.path.with_name(words[0])
    # The stand-in answers `-m pip --version` under whatever name it has.
    python.write_text(
        fake.path.read_text().replace(
            'rest = args[2:] if args[:1] == ["-m"] else args',
            'rest = args[args.index("pip") + 1 :] if "pip" in args else args',
        )
    )
    python.chmod(0o755)
    seen = ran(fake, sandbox, *words)
    at = words.index("pip")
    assert seen.argv[0] == os.fsencode(python)
    assert seen.argv[1 : at + 1] == [word.encode() for word in words[1 : at + 1]]
    assert seen.argv[at + 1] == b"--cert"
    assert seen.argv[-2:] == [b"install", b"x"]


def test_real_python_m_pip(sandbox: Sandbox) -> None:
    """The real `python -m pip` takes what it is given, and ends on the missing package alone."""
    ready(sandbox)
    done = sandbox.run(
        sys.executable, "-m", "pip", "download", "--no-index", "--no-deps", "no-such-package-zz"
    )
    assert done.returncode == 1
    assert "No matching distribution found for no-such-package-zz" in done.stderr


@pytest.mark.parametrize("name", first(2, ["pip3.11", "uvx", "pip", "pip3", "uv"]))
def test_names_and_paths(sandbox: Sandbox, name: str) -> None:
    """A tool is found by its name on PATH and by a path, and told its absolute path."""
    ready(sandbox)
    tool = sandbox.fake_tool(name)
    words = ["ruff"] if name == "uvx" else ["install" if "pip" in name else "sync"]
    for word in (name, str(tool.path), f"../bin/{name}"):
        done = sandbox.run(word, *words)
        assert done.returncode == 0, done
        assert tool.seen().argv[0] == os.fsencode(tool.path)
        assert tool.seen().get("SSL_CLIENT_CERT")
    assert tool.runs == 3


def test_command(sandbox: Sandbox) -> None:
    """A COMMAND after `--` gets the variables for every tool, and no flag."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("tox")
    seen = ran(tool, sandbox, "--", "tox", *ODD, env=AMBIENT)
    assert seen.argv == [os.fsencode(tool.path), *ODD_BYTES]
    assert {name: seen.get(name) for name in IDENTITY} == dict.fromkeys(IDENTITY, str(identity))
    assert {name: seen.get(name) for name in BUNDLE} == dict.fromkeys(
        BUNDLE, cached_bundle(sandbox)
    )
    assert seen.get("SSL_CERT_DIR") is None
    assert tool.version_questions == 0


def test_tool_after_dashes(sandbox: Sandbox) -> None:
    """A TOOL after `--` is still treated as one."""
    ready(sandbox)
    tool = sandbox.fake_tool("pip", "24.0")
    seen = ran(tool, sandbox, "--", "pip", "install", "x")
    assert seen.args[0] == b"--cert"


def test_native_roots(sandbox: Sandbox) -> None:
    """`system` without a CA is uv's native-tls setting, by both names, and no SSL_CERT_FILE."""
    sandbox.write_config('default-profile = "c"\n[profiles.c]\n')
    tool = sandbox.fake_tool("uv")
    seen = ran(tool, sandbox, "uv", "sync", env=AMBIENT)
    assert {name: seen.get(name) for name in NATIVE} == dict.fromkeys(NATIVE, "true")
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", *IDENTITY, "MTLS_RUN_ACTIVE"):
        assert seen.get(name) is None


# --- what the user says to the tool wins


@pytest.mark.parametrize(
    ("own", "absent", "present"),
    [
        (["--cert", "F"], b"--cert", b"--client-cert"),
        (["--cert=F"], b"--cert", b"--client-cert"),
        (["--client-cert", "F"], b"--client-cert", b"--cert"),
        (["--client-cert=F"], b"--client-cert", b"--cert"),
    ],
)
def test_user_flags_win(sandbox: Sandbox, own: list[str], absent: bytes, present: bytes) -> None:
    """A flag of the user's own is left alone, and the rest is injected."""
    ready(sandbox)
    tool = sandbox.fake_tool("pip", "24.0")
    seen = ran(tool, sandbox, "pip", "install", *own, "x", env=AMBIENT)
    injected = seen.args[: seen.args.index(b"install")]
    assert absent not in injected
    assert present in injected
    assert seen.args[-len(own) - 1 :] == [*(word.encode() for word in own), b"x"]
    if absent == b"--cert":
        assert seen.get("REQUESTS_CA_BUNDLE") is None
        assert seen.get("CURL_CA_BUNDLE") is None
    else:
        assert seen.get("PIP_CLIENT_CERT") == seen.get("SSL_CLIENT_CERT") == f"{sandbox.home}/F"
        assert seen.get("MTLS_RUN_ACTIVE") is None


def test_own_client_cert_needs_no_identity(sandbox: Sandbox) -> None:
    """With a --client-cert of the user's own, the profile's is not even read."""
    ready(sandbox).unlink()
    tool = sandbox.fake_tool("pip", "24.0")
    ran(tool, sandbox, "pip", "install", "--client-cert", "F", "x")


# --- handoffs


def test_ready_goes_by_its_own_path(sandbox: Sandbox) -> None:
    """An unencrypted PEM in order is handed on as it is, whatever handoff is asked for."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("uv")
    for options in ([], ["--handoff", "memfd"], ["--handoff", "supervise"]):
        assert sandbox.run(*options, "uv", "sync").returncode == 0
        assert tool.seen().get("SSL_CLIENT_CERT") == str(identity)


def assert_identity(seen: Seen) -> str:
    """Fail unless the tool could read the unlocked identity; return its path."""
    path = seen.get("SSL_CLIENT_CERT")
    assert path is not None
    assert path == seen.get("PIP_CLIENT_CERT")
    content = seen.files["SSL_CLIENT_CERT"]
    assert content == alice().cert_pem + alice().chain_pem + alice().key_pem()
    return path


@pytest.mark.parametrize("env", [{}, {"MTLS_RUN_HANDOFF": "memfd"}, {"MTLS_RUN_HANDOFF": ""}])
def test_memfd(sandbox: Sandbox, canary: Canary, env: dict[str, str]) -> None:
    """An unlocked identity is a path into the very process that mtls-run has become."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool("uv")
    with sandbox.start([sandbox.program, "uv", "sync"], env=env) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    seen = tool.seen()
    assert seen.pid == process.pid
    assert assert_identity(seen).startswith(f"/proc/{process.pid}/fd/")
    assert_absent(alice().traces, below=[sandbox.root])


@pytest.mark.parametrize("by", ["option", "variable", "option over variable"])
def test_supervise(sandbox: Sandbox, canary: Canary, by: str) -> None:
    """Under supervision it is a private file, which is gone afterwards."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool("uv")
    options = [] if by == "variable" else ["--handoff", "supervise"]
    env = {"option": {}, "variable": {"MTLS_RUN_HANDOFF": "supervise"}}.get(
        by, {"MTLS_RUN_HANDOFF": "memfd"}
    )
    with sandbox.start([sandbox.program, *options, "uv", "sync"], env=env) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "", "")
    seen = tool.seen()
    assert seen.ppid == process.pid
    path = Path(assert_identity(seen))
    assert path.is_relative_to(sandbox.root)
    assert not path.parent.exists()
    assert_absent(alice().traces, below=[sandbox.root])


def test_wrong_handoff(sandbox: Sandbox, canary: Canary) -> None:
    """A handoff that there is not is an error, by option and by variable."""
    locked(sandbox, canary.text)
    sandbox.fake_tool("uv")
    failed(sandbox.run("--handoff", "x", "uv", "sync"), "--handoff: there is no handoff `x`")
    done = sandbox.run("uv", "sync", env={"MTLS_RUN_HANDOFF": "x"})
    failed(done, "MTLS_RUN_HANDOFF: there is no handoff `x`", "memfd, supervise")


@pytest.mark.parametrize("options", [[], ["--handoff", "supervise"]])
@pytest.mark.parametrize("words", [["uv", "sync"], ["pip", "install"], ["--", "make"]])
def test_passphrase_reaches_nobody(
    sandbox: Sandbox, canary: Canary, options: list[str], words: list[str]
) -> None:
    """The variable with the passphrase is removed for the tool, and for the question to it."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool(words[-1] if words[0] == "--" else words[0])
    done = sandbox.run("-v", *options, *words)
    assert done.returncode == 0, done
    seen = tool.seen()
    assert seen.get("CORP_PASSPHRASE") is None
    canary.assert_absent(
        done.stdout, done.stderr, *seen.argv, *seen.env.values(), below=[sandbox.root, tool.records]
    )


# --- nested runs


def test_nested(sandbox: Sandbox, canary: Canary) -> None:
    """A nested mtls-run uses again what the outer one unlocked: no second passphrase."""
    locked(sandbox, canary.text)
    outer, inner = sandbox.fake_tool("make"), sandbox.fake_tool("uv")
    shell = f"unset FAKE_SHELL; exec {sandbox.program} uv sync"
    done = sandbox.run("--", "make", env={"FAKE_SHELL": shell})
    assert (done.returncode, done.stderr) == (0, "")
    assert inner.seen().get("SSL_CLIENT_CERT") == outer.seen().get("SSL_CLIENT_CERT")
    assert_identity(inner.seen())
    assert inner.seen().get("MTLS_RUN_ACTIVE") == outer.seen().get("MTLS_RUN_ACTIVE")


def test_nested_with_another_profile(sandbox: Sandbox, canary: Canary) -> None:
    """Another profile in the nested run starts afresh, and here has no passphrase to start with."""
    locked(sandbox, canary.text)
    config = sandbox.config_file.read_text()
    sandbox.write_config(config + config[config.index("[profiles") :].replace("corp", "other"))
    sandbox.fake_tool("make")
    inner = sandbox.fake_tool("uv")
    shell = f"unset FAKE_SHELL; exec {sandbox.program} -p other uv sync"
    done = sandbox.run("--", "make", env={"FAKE_SHELL": shell})
    assert done.returncode == 125
    assert "the variable CORP_PASSPHRASE" in done.stderr
    assert "is not set" in done.stderr
    assert inner.runs == 0


@pytest.mark.parametrize("forged", ["", "x", "1:2:3:/etc/passwd", "1:::", "\udcff"])
def test_forged_active(sandbox: Sandbox, canary: Canary, forged: str) -> None:
    """A forged MTLS_RUN_ACTIVE changes nothing."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool("uv")
    seen = ran(tool, sandbox, "uv", "sync", env={"MTLS_RUN_ACTIVE": forged})
    assert assert_identity(seen).startswith("/proc/")
    assert seen.get("MTLS_RUN_ACTIVE") != forged


# --- without a profile


UNCHANGED: list[tuple[list[str], dict[str, str], str]] = [
    ([], {}, f"mtls-run: notice: {NO_PROFILE}\n"),
    (["-q"], {}, ""),
    (["--no-profile"], {}, ""),
    ([], {"MTLS_RUN_DISABLE": "1"}, ""),
]


@pytest.mark.parametrize(("options", "env", "err"), UNCHANGED)
@pytest.mark.parametrize("words", [["uv", "sync"], ["pip", "install"], ["--", "make"]])
def test_unchanged(
    sandbox: Sandbox, options: list[str], env: dict[str, str], err: str, words: list[str]
) -> None:
    """Without a profile the tool runs unchanged, with one notice that -q silences."""
    # pip's own settings would be a profile: those of this machine, and PIP_CERT.
    ambient = {name: value for name, value in AMBIENT.items() if not name.startswith("PIP_")}
    ambient["PIP_CONFIG_FILE"] = os.devnull
    if options == ["--no-profile"] or env:
        ready(sandbox)
        ambient = dict(AMBIENT)
    name = words[-1] if words[0] == "--" else words[0]
    tool = sandbox.fake_tool(name)
    done = sandbox.run(*options, *words, *ODD, env={**ambient, **env})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", err)
    typed = words[2:] if words[0] == "--" else words[1:]
    assert tool.seen().args == [*(word.encode() for word in typed), *ODD_BYTES]
    assert environment(tool.seen()) == expected_environment(sandbox, {**ambient, **env})
    assert tool.version_questions == 0


@pytest.mark.parametrize(
    "words",
    [
        ["uv", "--version"],
        ["uv", "cache", "dir"],
        ["uv", "pip", "list"],
        ["uvx", "--version"],
        ["pip", "list"],
        ["pip", "--version"],
        ["pip"],
        ["uv"],
    ],
)
def test_no_network_reads_nothing(sandbox: Sandbox, words: list[str]) -> None:
    """A command that uses no network starts though the configuration is broken, and unchanged."""
    sandbox.write_config("this is = = no TOML")
    tool = sandbox.fake_tool(words[0])
    done = sandbox.run("-p", "corp", *words, env=AMBIENT)
    assert (done.returncode, done.stderr) == (0, "")
    if "--version" in words:
        assert tool.version_questions == 1
    else:
        assert environment(tool.seen()) == expected_environment(sandbox, dict(AMBIENT))
        assert tool.seen().args == [word.encode() for word in words[1:]]
    failed(sandbox.run(words[0], "install"), "is not valid TOML")


# --- which profile


def test_selection(sandbox: Sandbox) -> None:
    """Each source beats the next, and -v says which it was and over what."""
    ready(sandbox)
    text = sandbox.config_file.read_text()
    work = sandbox.home / "src"
    work.mkdir()
    for name in ("flag", "variable", "folder"):
        text += f'[profiles.{name}]\nextends = "corp"\n'
    sandbox.write_config(text + '[[directories]]\npath = "~/src"\nprofile = "folder"\n')
    sandbox.fake_tool("uv")
    variable = {"MTLS_RUN_PROFILE": "variable"}
    for options, env, cwd, expected in (
        (["-p", "flag"], variable, work, "profile flag, by --profile"),
        ([], variable, work, "profile variable, by MTLS_RUN_PROFILE"),
        ([], {}, work, f"profile folder, by {sandbox.config_file}:15"),
        ([], {}, sandbox.home, f"profile corp, by {sandbox.config_file}:1"),
    ):
        done = sandbox.run("-v", *options, "uv", "sync", env=env, cwd=cwd)
        assert done.returncode == 0, done
        assert f"mtls-run: {expected}\n" in done.stderr
        assert all(line.startswith("mtls-run: ") for line in done.stderr.splitlines())


# --- statuses, signals and streams


@pytest.mark.parametrize("options", [[], ["--handoff", "supervise"]])
@pytest.mark.parametrize("status", first(3, [1, 125, 255, 2, 126, 127, 130]))
def test_status(sandbox: Sandbox, canary: Canary, status: int, options: list[str]) -> None:
    """The tool's own status is the status, also where it looks like one of mtls-run's."""
    locked(sandbox, canary.text)
    sandbox.fake_tool("uv")
    done = sandbox.run(*options, "uv", "sync", env={"FAKE_STATUS": str(status)})
    assert (done.returncode, done.stderr) == (status, "")


def test_every_status(sandbox: Sandbox) -> None:
    """Statuses from 0 to 255 are handed on by a run that becomes the tool, whatever it is."""
    sandbox.write_config("")
    program = f"'{sandbox.program}' -q -- sh -c"
    script = "".join(f"{program} 'exit {status}'; echo $?\n" for status in range(0, 256, 15))
    done = sandbox.execute(["/bin/sh", "-c", script])
    assert done.stdout.split() == [str(status) for status in range(0, 256, 15)]


@pytest.mark.parametrize("options", [[], ["--handoff", "supervise"]])
@pytest.mark.parametrize(
    "name", first(3, ["SIGTERM", "SIGKILL", "SIGINT", "SIGPIPE", "SIGABRT", "SIGHUP"])
)
def test_signal(sandbox: Sandbox, canary: Canary, name: str, options: list[str]) -> None:
    """The signal that ended the tool is the one that ended mtls-run."""
    locked(sandbox, canary.text)
    sandbox.fake_tool("uv")
    number = getattr(signal, name)
    done = sandbox.run(*options, "uv", "sync", env={"FAKE_SIGNAL": str(int(number))})
    assert done.returncode == -number
    assert_absent(alice().traces, below=[sandbox.root])


@pytest.mark.parametrize("words", [["-q", "--", "cat"], ["--handoff", "supervise", "--", "cat"]])
@pytest.mark.parametrize("profile", [True, False])
def test_dispositions(sandbox: Sandbox, canary: Canary, words: list[str], profile: bool) -> None:
    """The tool ignores no signal that Python ignores, and blocks none."""
    if profile:
        locked(sandbox, canary.text)
    done = sandbox.run(*words, "/proc/self/status")
    masks = dict(line.split(":\t") for line in done.stdout.splitlines() if line.startswith("Sig"))
    python = (1 << (signal.SIGPIPE - 1)) | (1 << (signal.SIGXFSZ - 1))
    assert int(masks["SigIgn"], 16) & python == 0
    assert int(masks["SigBlk"], 16) == 0


def test_streams(sandbox: Sandbox, canary: Canary) -> None:
    """stdin, stdout and stderr are the tool's, byte for byte, by either handoff."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool("uv")
    env = {"FAKE_STDIN": "1", "FAKE_STDOUT": "to out\n\x1b[0m", "FAKE_STDERR": "to err"}
    for options in ([], ["--handoff", "supervise"]):
        done = sandbox.run(*options, "uv", "sync", env=env, input="line\nmore \udcff")
        assert (done.stdout, done.stderr) == ("to out\n\x1b[0m", "to err")
        assert tool.seen().stdin == b"line\nmore \xff"


def test_broken_pipe_ends_the_tool(sandbox: Sandbox) -> None:
    """`mtls-run -- yes | head` ends, by SIGPIPE."""
    program = f"'{sandbox.program}' -q -- yes"
    script = f"{{ {program}; echo $? >&2; }} | head -n 1"
    done = sandbox.execute(["/bin/sh", "-c", script])
    assert (done.stdout, done.stderr) == ("y\n", "141\n")


def test_closed_streams(sandbox: Sandbox) -> None:
    """Closed standard streams stop neither mtls-run nor the tool."""
    ready(sandbox)
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        script = f"'{sandbox.program}' -v -- sh -c 'test -r $SSL_CLIENT_CERT && exit 7' {closed}"
        done = sandbox.execute(["/bin/sh", "-c", script])
        assert done.returncode == 7, (closed, done)


# --- hostile surroundings


def hostile_modules(folder: Path, marker: Path) -> None:
    """Put modules there that write a marker when they are imported."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("keyring", "cryptography", "tomllib", "tomli", "platformdirs", "certifi", "click")
    for name in (*names, "json", "hashlib", "configparser", "getpass"):
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r})\n")


@pytest.mark.parametrize(
    "value", first(2, ["{0}", ":", "{0}:", ":{0}", "hostile", "{0}/", "{0}/../hostile"])
)
def test_hostile_python_path(sandbox: Sandbox, value: str) -> None:
    """Modules on PYTHONPATH and in the current directory are the tool's, and not imported here."""
    ready(sandbox)
    marker = sandbox.root / "imported"
    for folder in (sandbox.home / "hostile", sandbox.home):
        hostile_modules(folder, marker)
    tool = sandbox.fake_tool("uv")
    path = value.format(sandbox.home / "hostile")
    for words in (["uv", "sync"], ["--explain", "uv", "sync"], ["passphrase", "check"]):
        done = sandbox.run(*words, env={"PYTHONPATH": path})
        assert done.returncode == 0, done
    assert not marker.exists(), marker.read_text()
    assert tool.seen().get("PYTHONPATH") == path


def test_module_run_in_a_hostile_directory(sandbox: Sandbox) -> None:
    """`python -m mtls_run` does not import from the current directory either."""
    ready(sandbox)
    marker = sandbox.root / "imported"
    hostile_modules(sandbox.home, marker)
    tool = sandbox.fake_tool("uv")
    done = sandbox.execute([sys.executable, "-m", "mtls_run", "uv", "sync"])
    assert done.returncode == 0, done
    assert tool.runs == 1
    assert not marker.exists(), marker.read_text()


def test_cache_that_cannot_be_written(sandbox: Sandbox, canary: Canary) -> None:
    """Without a cache the run is the same: the bundle is held in memory."""
    locked(sandbox, canary.text)
    tool = sandbox.fake_tool("pip", "24.0")
    done = sandbox.run("pip", "install", env={"XDG_CACHE_HOME": "/proc/nowhere"})
    assert (done.returncode, done.stderr) == (0, "")
    seen = tool.seen()
    assert seen.files["PIP_CERT"] == bundle()
    assert (seen.get("PIP_CERT") or "").startswith("/proc/")
    assert_identity(seen)


@pytest.mark.parametrize("home", [None, "", "/nowhere/at/all", "relative"])
def test_missing_home(sandbox: Sandbox, home: str | None) -> None:
    """Without a usable home a named configuration still serves, and nothing is written about."""
    identity = ready(sandbox)
    text = sandbox.config_file.read_text().replace("~", str(sandbox.home))
    sandbox.write_config(text)
    tool = sandbox.fake_tool("uv")
    env = dict.fromkeys([name for name in sandbox.env if name.startswith("XDG_")])
    changes = {**env, "HOME": home, "MTLS_RUN_CONFIG": str(sandbox.config_file)}
    work = sandbox.root / "src"
    work.mkdir()
    done = sandbox.run("uv", "sync", env=changes, cwd=work)
    assert done.returncode == 0, done
    assert tool.seen().get("SSL_CLIENT_CERT") == str(identity)
    assert tool.seen().files["SSL_CERT_FILE"] == bundle()
    assert list(work.iterdir()) == []


def test_slow_question_is_asked_once(sandbox: Sandbox) -> None:
    """Pip's version is remembered from one run to the next, and an upgrade is noticed."""
    ready(sandbox)
    tool = sandbox.fake_tool("pip", "24.0")
    for _ in range(2):
        assert sandbox.run("pip", "install").returncode == 0
    assert tool.version_questions == 1
    assert LEGACY not in tool.seen().args
    tool.path.write_text(tool.path.read_text().replace("pip 24.0", "pip 24.2"))
    later = time.time() + 5
    os.utime(tool.path, (later, later))
    assert sandbox.run("pip", "install").returncode == 0
    assert LEGACY in tool.seen().args


def test_nothing_but_the_cache_is_written(sandbox: Sandbox, canary: Canary) -> None:
    """A run writes to its own cache, and to nothing else of the user's."""
    locked(sandbox, canary.text)
    sandbox.fake_tool("pip", "24.0")
    before = set(sandbox.root.rglob("*"))
    assert sandbox.run("pip", "install").returncode == 0
    new = set(sandbox.root.rglob("*")) - before
    cache = sandbox.root / "cache/mtls-run"
    assert new
    assert all(path == cache or path.is_relative_to(cache) for path in new), new
