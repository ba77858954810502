"""Variables that somebody else chose: they steer the tool, if anything, and not mtls-run.

Whoever sets a variable and knows of mtls-run would have it run their code, which has the passphrase
in reach, or hand the key elsewhere. What Python itself reads before our first line runs is shut
out by the launcher of install.sh (`python -IS`); what comes later is shut out by our own code too.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import BUNDLE, alice, bundle, failed, locked, ready, write_profile
from tests.sandbox import assert_absent
from tests.shells import before
from tests.tiers import rotated

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.sandbox import Canary, FakeTool, Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.attack]

INSTALL = ("uv", "pip", "install", "x")
WRAPPER = Path(__file__).parents[3] / "wrapper"


class Victim:
    """A user with a locked key and an mtls-run, and a marker that foreign code would leave."""

    def __init__(self, sandbox: Sandbox, canary: Canary) -> None:
        self.sandbox = sandbox
        self.canary = canary
        locked(sandbox, canary.text)
        self.tool = sandbox.fake_tool("uv")
        self.marker = sandbox.root / "it-ran"
        self.evil = sandbox.root / "evil"
        self.code = f"open({str(self.marker)!r}, 'w').close()\n"

    @property
    def launcher(self) -> Path:
        """The launcher as install.sh writes it, for this clone."""
        paths = [sysconfig.get_path("purelib"), str(WRAPPER)]
        return self.sandbox.write(
            self.sandbox.root / "launcher",
            f"#!{sys.executable} -IS\nimport sys\n\nsys.path += {paths}\n"
            "from mtls_run.__main__ import main\n\nsys.exit(main())\n",
            0o755,
        )

    def plant(self, name: str, text: str | None = None) -> Path:
        """Write a file of foreign code, which leaves the marker, and return the directory."""
        self.sandbox.write(self.evil / name, self.code if text is None else text, 0o644)
        return self.evil

    def run(
        self, *words: str, env: Mapping[str, str | None], isolated: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run mtls-run with these variables, by the launcher of install.sh or by pip's."""
        program = self.launcher if isolated else self.sandbox.program
        return self.sandbox.execute([program, *words], env=env)

    def assert_safe(self, *done: subprocess.CompletedProcess[str]) -> None:
        """Fail where foreign code ran, or a secret or an unlocked key is anywhere."""
        assert not self.marker.exists()
        for one in done:
            assert "Traceback" not in one.stderr
        outputs = [text for one in done for text in (one.stdout, one.stderr)]
        secrets: list[str | bytes] = [self.canary.text, *alice().traces]
        assert_absent(secrets, *outputs, below=[self.sandbox.root])

    def assert_ordinary(self, done: subprocess.CompletedProcess[str]) -> None:
        """Fail unless the tool, and it alone, ran with the victim's own identity and roots."""
        assert (done.returncode, done.stderr) == (0, ""), done
        self.assert_safe(done)
        self.assert_handed(self.tool)

    def assert_handed(self, tool: FakeTool) -> None:
        """Fail unless the tool was handed what the profile says, and no passphrase."""
        seen = tool.seen()
        assert seen.files["SSL_CLIENT_CERT"].startswith(alice().cert_pem)
        assert seen.files[BUNDLE[0]] == bundle()
        values = [value for name, value in seen.env.items() if name != b"CORP_PASSPHRASE"]
        assert self.canary.text.encode() not in b"\0".join([*seen.argv, *values])


@pytest.fixture
def victim(sandbox: Sandbox, canary: Canary) -> Victim:
    """Return somebody who has something to lose."""
    return Victim(sandbox, canary)


MODULES = ("sitecustomize", "usercustomize", "re", "json", "mtls_run/__init__", "keyring/__init__")

# What Python reads before any code of ours runs; @ is a directory of foreign code.
OF_PYTHON = {
    "PYTHONPATH": "@",
    "PYTHONHOME": "@",
    "PYTHONSTARTUP": "@/startup.py",
    "PYTHONINSPECT": "1",
    "PYTHONWARNINGS": "error::startup.Warning",
    "PYTHONBREAKPOINT": "startup.main",
    "PYTHONUSERBASE": "@",
    "PYTHONPLATLIBDIR": "evil",
    "PYTHONPYCACHEPREFIX": "@",
    "PYTHONOPTIMIZE": "2",
    "PYTHONHASHSEED": "nonsense",
    "PYTHONMALLOC": "nonsense",
    "PYTHONVERBOSE": "1",
    "PYTHONDEBUG": "9",
    "PYTHONPROFILEIMPORTTIME": "1",
    "PYTHONTRACEMALLOC": "nonsense",
    "PYTHONEXECUTABLE": "@/python",
    "PYTHONCASEOK": "1",
    "PYTHONDONTWRITEBYTECODE": "",
    "PYTHONFAULTHANDLER": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONIOENCODING": "nonsense",
    "PYTHONUTF8": "0",
    "PYTHONSAFEPATH": "",
    "PYTHONINTMAXSTRDIGITS": "640",
}


@pytest.mark.parametrize("name", OF_PYTHON)
def test_python_variable(victim: Victim, name: str) -> None:
    """What would steer Python steers the tool alone, where install.sh installed mtls-run."""
    site = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for module in (*MODULES, "startup"):
        victim.plant(f"{module}.py")
        victim.plant(f"{site}/{module}.py")
    victim.plant(f"{site}/evil.pth", f"import os; open({str(victim.marker)!r}, 'w').close()\n")
    value = OF_PYTHON[name].replace("@", str(victim.evil))
    done = victim.run(*INSTALL, env={name: value}, isolated=True)
    victim.assert_ordinary(done)
    assert victim.tool.seen().get(name) == value


@pytest.mark.parametrize("place", ["@", "@:", ":@", ".", ""])
def test_modules_on_pythonpath(victim: Victim, place: str) -> None:
    """By pip's launcher too, once our first line runs, no library of ours comes from PYTHONPATH."""
    for module in (
        "keyring/__init__",
        "cryptography/__init__",
        "secretstorage/__init__",
        "certifi",
    ):
        victim.plant(f"{module}.py")
    path = place.replace("@", str(victim.evil))
    done = victim.sandbox.execute(
        [victim.sandbox.program, *INSTALL], env={"PYTHONPATH": path}, cwd=victim.evil
    )
    victim.assert_ordinary(done)
    assert victim.tool.seen().get("PYTHONPATH") == path


# --- the keyring

KEYRING = 'passphrase = "keyring"'
BACKEND = "evil_backend.Keyring"


@pytest.mark.parametrize("isolated", [True, False], ids=["install.sh", "pip"])
@pytest.mark.parametrize(
    "backend", [BACKEND, "keyring.backends.null.Keyring", "keyrings.alt.file.PlaintextKeyring"]
)
def test_keyring_by_variable(victim: Victim, backend: str, isolated: bool) -> None:
    """A backend that a variable names is refused by its name, and never imported."""
    write_profile(victim.sandbox, KEYRING)
    env = {"PYTHON_KEYRING_BACKEND": backend, "PYTHONPATH": str(victim.plant("evil_backend.py"))}
    done = victim.run(*INSTALL, env=env, isolated=isolated)
    failed(done, f"the keyring backend {backend}, chosen by PYTHON_KEYRING_BACKEND")
    victim.assert_safe(done)
    assert victim.tool.runs == 0


@pytest.mark.parametrize("isolated", [True, False], ids=["install.sh", "pip"])
def test_keyring_by_settings(victim: Victim, isolated: bool) -> None:
    """Settings of keyring that name a class and where it lies are refused, and not followed."""
    write_profile(victim.sandbox, KEYRING)
    victim.plant("evil_backend.py")
    victim.sandbox.write(
        victim.sandbox.root / "config/python_keyring/keyringrc.cfg",
        f"[backend]\ndefault-keyring={BACKEND}\nkeyring-path={victim.evil}\n",
    )
    done = victim.run(*INSTALL, env={}, isolated=isolated)
    failed(done, f"the keyring backend {BACKEND}, chosen by")
    victim.assert_safe(done)


@pytest.mark.parametrize("name", ["PRIORITY", "GET_PASSWORD", "__CLASS__", "SCHEMES", "\x1b[2J"])
def test_property_of_a_keyring(victim: Victim, name: str) -> None:
    """A property that a variable sets on a backend, whichever, ends in an error of ours."""
    write_profile(victim.sandbox, KEYRING)
    done = victim.run(*INSTALL, env={f"KEYRING_PROPERTY_{name}": "/nowhere"})
    failed(done, "there is no usable keyring here")
    victim.assert_safe(done)
    assert victim.tool.runs == 0


@pytest.mark.parametrize(
    "address",
    ["unix:path=/nowhere/at/all", "tcp:host=127.0.0.1,port=1", "unixexec:path=@", "nonsense", ""],
)
def test_bus_of_somebody_else(victim: Victim, address: str) -> None:
    """A bus that is none is an error, and no program that its address names is started."""
    write_profile(victim.sandbox, KEYRING)
    script = victim.sandbox.write(victim.evil / "bus", f"#!/bin/sh\n: >'{victim.marker}'\n", 0o755)
    env = {"DBUS_SESSION_BUS_ADDRESS": address.replace("@", str(script))}
    done = victim.run(*INSTALL, env=env)
    assert done.returncode == 125, done
    assert "there is no usable keyring here" in done.stderr
    victim.assert_safe(done)
    assert victim.tool.runs == 0


# --- directories

PLACES = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "TMPDIR")


NOWHERE = ("relative", "/dev/null/x", "", "/proc/self/fd", "/dev/null", "relative/../x")


@pytest.mark.parametrize(
    ("name", "value", "handoff"), rotated(PLACES, (*NOWHERE, *NOWHERE), ("memfd", "supervise"))
)
def test_directory_that_is_none(victim: Victim, name: str, value: str, handoff: str) -> None:
    """A directory that is not there, or none of the user's, costs the run nothing but time."""
    here = {victim.sandbox.home / ".cache", *victim.sandbox.home.iterdir()}
    done = victim.run("--handoff", handoff, *INSTALL, env={name: value})
    victim.assert_ordinary(done)
    assert set(victim.sandbox.home.iterdir()) <= here


# --- mtls-run's own

NESTINGS = (
    "",
    ":",
    "2:1:1:1:1::/bin/uv",
    "2:1:-1:1:1::/bin/uv",
    "2:1:" + "9" * 5000,
    "\x1b[2J",
    "é" * 99,
)


@pytest.mark.parametrize("value", NESTINGS, ids=range(len(NESTINGS)))
def test_forged_nesting(victim: Victim, value: str) -> None:
    """A value of somebody else's making leads nowhere else."""
    done = victim.run(*INSTALL, env={"MTLS_RUN_NESTING": value})
    victim.assert_ordinary(done)


@pytest.mark.parametrize("field", range(4))
@pytest.mark.parametrize("value", ["", "0" * 64, "/etc/shadow", "../..", "\x1b[2J"])
def test_forged_active(victim: Victim, field: int, value: str) -> None:
    """A field of MTLS_RUN_ACTIVE that is another's opens nothing: the run starts afresh."""
    assert victim.run(*INSTALL, env={}).returncode == 0
    real = victim.tool.seen().get("MTLS_RUN_ACTIVE")
    assert real is not None
    fields = real.split(":")
    fields[field] = value
    done = victim.run(*INSTALL, env={"MTLS_RUN_ACTIVE": ":".join(fields)})
    victim.assert_ordinary(done)


@pytest.mark.parametrize(
    ("name", "value", "fact"),
    [
        ("MTLS_RUN_PROFILE", "../../etc", "cannot name a profile"),
        ("MTLS_RUN_PROFILE", "nobody", "unknown profile"),
        ("MTLS_RUN_HANDOFF", "disk", "MTLS_RUN_HANDOFF"),
        ("MTLS_RUN_CONFIG", "/dev/zero", "/dev/zero"),
        ("MTLS_RUN_CONFIG", "/", "cannot read the configuration /"),
        ("MTLS_RUN_CONFIG", "/proc/self/mem", "/proc/self/mem"),
    ],
)
def test_own_variable_that_is_nonsense(victim: Victim, name: str, value: str, fact: str) -> None:
    """A variable of mtls-run that cannot be followed stops the run, and names itself."""
    done = victim.run(*INSTALL, env={name: value})
    failed(done, fact)
    victim.assert_safe(done)
    assert victim.tool.runs == 0


def test_traceback_that_was_asked_for(victim: Victim) -> None:
    """MTLS_RUN_DEBUG shows where it happened, and no secret that was in reach there."""
    wrong = f"{victim.canary.text} and more"
    done = victim.run(*INSTALL, env={"MTLS_RUN_DEBUG": "1", "CORP_PASSPHRASE": wrong})
    assert done.returncode == 125, done
    assert "Traceback" in done.stderr
    assert_absent([victim.canary.text], done.stdout, done.stderr, below=[victim.sandbox.root])


# --- shells and the loader

STEERING = {
    "ENV": "@/startup",
    "BASH_ENV": "@/startup",
    "ZDOTDIR": "@",
    "IFS": "/u",
    "CDPATH": "@",
    "GLOBIGNORE": "*",
    "SHELLOPTS": "noexec",
    "PS4": "$(@/startup)",
}


@pytest.mark.parametrize("name", STEERING)
def test_shim_in_a_steered_shell(victim: Victim, name: str) -> None:
    """A shim is a script of sh: what steers interactive shells, or bash alone, is nothing to it."""
    script = f"#!/bin/sh\n: >'{victim.marker}'\n"
    victim.sandbox.write(victim.evil / "startup", script, 0o755)
    folder = victim.sandbox.root / "shims"
    assert victim.sandbox.run("shims", "install", "--dir", folder).returncode == 0
    value = STEERING[name].replace("@", str(victim.evil))
    env = {"PATH": before(victim.sandbox, folder), name: value}
    done = victim.sandbox.execute([folder / "uv", "pip", "install", "a b", ""], env=env)
    victim.assert_ordinary(done)
    assert victim.tool.seen().args[-2:] == [b"a b", b""]


OTHERS = {
    "LC_ALL": "nonsense_XX.UTF-99",
    "LANGUAGE": "../../evil",
    "GCONV_PATH": "@",
    "LOCPATH": "@",
    "NLSPATH": "@/%N",
    "OPENSSL_CONF": "@/openssl.cnf",
    "OPENSSL_MODULES": "@",
    "OPENSSL_ENGINES": "@",
    "SSLKEYLOGFILE": "@/keys",
    "RANDFILE": "@/random",
    "MALLOC_TRACE": "@/trace",
    "CRYPTOGRAPHY_OPENSSL_NO_LEGACY": "1",
    "COLUMNS": "nonsense",
    "TERM": "\x1b[2J",
}


@pytest.mark.parametrize("name", OTHERS)
def test_variable_of_a_library(victim: Victim, name: str) -> None:
    """What libraries would read changes nothing of a run, and nothing is written where it says."""
    victim.plant(
        "openssl.cnf", "openssl_conf = x\n[x]\nproviders = y\n[y]\nz = w\n[w]\nactivate=1\n"
    )
    there = sorted(victim.evil.iterdir())
    done = victim.run(*INSTALL, env={name: OTHERS[name].replace("@", str(victim.evil))})
    victim.assert_ordinary(done)
    assert sorted(victim.evil.iterdir()) == there


@pytest.mark.parametrize("isolated", [True, False], ids=["install.sh", "pip"])
@pytest.mark.parametrize(
    "words",
    [
        INSTALL,
        ("--handoff", "supervise", *INSTALL),
        ("passphrase", "check"),
        ("doctor", "--json", "https://127.0.0.1:1/"),
    ],
    ids=["memfd", "supervise", "check", "doctor"],
)
def test_settings_of_openssl(victim: Victim, words: tuple[str, ...], isolated: bool) -> None:
    """OPENSSL_CONF, which may name a library to load, is not read by us, and left to the tool."""
    fifo = victim.sandbox.root / "openssl.cnf"
    os.mkfifo(fifo)  # whoever reads it waits for ever
    told = victim.sandbox.root / "told"
    script = '#!/bin/sh\n[ "$1" = --version ] && echo uv 0.13.9 && exit\n'
    script += f"printenv OPENSSL_CONF >'{told}'\n"
    victim.sandbox.write(victim.tool.path, script, 0o755)  # the fake tool's Python would read it
    env = {"OPENSSL_CONF": str(fifo), "PATH": str(victim.sandbox.bin)}
    (victim.sandbox.bin / "printenv").symlink_to("/usr/bin/printenv")
    program = victim.launcher if isolated else victim.sandbox.program
    done = victim.sandbox.execute([program, *words], env=env, timeout=30)
    victim.assert_safe(done)
    assert done.returncode == (words[0] == "doctor"), done
    if "uv" in words:
        assert told.read_text() == f"{fifo}\n"


@pytest.mark.parametrize(
    "name", ["OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"]
)
def test_openssl_is_told_nothing(victim: Victim, name: str) -> None:
    """C's environment lacks what names a library, or where one lies; the tool's has it."""
    code = "import ctypes, os, sys; from mtls_run import __main__ as main\n"
    code += "c = ctypes.CDLL(None); c.getenv.restype = ctypes.c_char_p\n"
    code += f"before = c.getenv({name.encode()!r})\n"
    code += "main._guarded = lambda *_: 0\n"
    code += "try: main.main()\nexcept SystemExit: pass\n"
    code += f"print(before, c.getenv({name.encode()!r}), os.environ[{name!r}])"
    done = victim.sandbox.execute([sys.executable, "-I", "-c", code], env={name: "/evil"})
    assert done.stdout == "b'/evil' None /evil\n", done


@pytest.mark.parametrize("names", [("HOME",), ("HOME", "XDG_CONFIG_HOME"), ("PATH",)])
def test_explanation_without_them(victim: Victim, names: tuple[str, ...]) -> None:
    """Without a home or a PATH the explanation is whole or an error, and shows no secret."""
    words = ("--explain", "--json", str(victim.tool.path), *INSTALL[1:])
    done = victim.run(*words, env=dict.fromkeys(names))
    victim.assert_safe(done)
    if done.returncode == 0:
        assert json.loads(done.stdout)["tool"]["path"] == str(victim.tool.path)
    else:
        failed(done, "")


def test_cached_launch_and_a_variable_that_comes(sandbox: Sandbox) -> None:
    """A variable that says which profile counts is noticed on the very next run."""
    ready(sandbox)
    tool = sandbox.fake_tool("uv")
    for _ in range(2):
        assert sandbox.run(*INSTALL).returncode == 0
    done = sandbox.run(*INSTALL, env={"MTLS_RUN_PROFILE": "nobody"})
    failed(done, "unknown profile `nobody`")
    assert tool.runs == 2
