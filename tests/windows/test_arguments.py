"""What the user typed reaches the tool unaltered, batch files included, or the run is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.windows.machine import EACH_PYTHON

if TYPE_CHECKING:
    from tests.windows.machine import Machine

pytestmark = pytest.mark.windows

ARGUMENTS = [
    *[
        "",
        " ",
        "two words",
        "c:\\dir\\",
        "ends in\\ \\",
        'say "x"',
        'back\\"slash',
        '"',
        "^",
        "a^b",
    ],
    *["&", "a&b", "|", "<x>", "(y)", "!z!", "k=v", "a;b,c", "*.py", "~", "ä ☃", "--", "-x"],
    'x" & echo INJECTED & "',
]
ECHO = "@python %~dp0argv.py %*\r\n"
STATUSES = [0, 125, 256, -1, -1073741510]


@pytest.fixture(autouse=True)
def tools(windows: Machine) -> None:
    """Write a script that prints its arguments, and a batch file that starts it."""
    windows.write("argv.py", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    windows.write("bin/argv.py", "import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    windows.write("bin/echo me.cmd", ECHO)
    windows.write("bin/old.bat", ECHO)
    windows.env["WINEPATH"] += ";;" + windows.path(windows.work / "bin")


@EACH_PYTHON
def test_arguments(windows: Machine) -> None:
    """A program gets every argument as it was typed."""
    words = [*ARGUMENTS, "100%", "%PATH%", "two\nlines"]
    done = windows.run("--", "python", "argv.py", *words)
    assert json.loads(done.stdout) == words


@pytest.mark.parametrize("name", ["echo me", "ECHO ME.CMD"])
def test_arguments_of_a_batch_file(windows: Machine, name: str) -> None:
    """So does a batch file, whose arguments cmd.exe parses again; it runs none of them."""
    done = windows.run("--", name, *ARGUMENTS)
    assert json.loads(done.stdout) == ARGUMENTS, done


@pytest.mark.parametrize("argument", ["100%", "a\nb"])
def test_arguments_that_a_batch_file_cannot_get(windows: Machine, argument: str) -> None:
    """What cmd.exe would change is refused; the hint says what to start instead."""
    done = windows.run("-q", "--", "old", argument)
    assert (done.returncode, done.stdout) == (125, "")
    assert "old.bat is a batch file, and cannot be given an argument with a" in done.stderr
    assert "hint: start the program that the batch file starts" in done.stderr


def test_the_current_directory_is_not_searched(windows: Machine) -> None:
    """Neither for a tool nor by an empty entry of PATH; a path is taken as it is."""
    windows.write("here.cmd", "@echo HERE\r\n")
    windows.write("uv.bat", "@echo HERE\r\n")
    done = windows.run("-q", "--", "here")
    assert done.returncode == 127
    assert "there is no `here` on PATH" in done.stderr
    assert windows.run("uv", "--version").stdout.startswith("uv ")
    assert windows.run("-q", "--", r".\here").stdout == "HERE\n"


def test_extensions(windows: Machine) -> None:
    """PATHEXT says in which order; what is none of its is no program."""
    windows.write("bin/two.cmd", "@echo CMD\r\n")
    windows.write("bin/two.bat", "@echo BAT\r\n")
    for order, expected in ((".BAT;.CMD", "BAT"), (".EXE;;.CMD;.BAT;", "CMD")):
        done = windows.execute("cmd", "/c", f"set PATHEXT={order}&mtls-run.exe -q -- two")
        assert done.stdout == f"{expected}\n", done
    done = windows.run("-q", "--", windows.path(windows.work / "argv.py"))
    assert done.returncode == 126
    assert "argv.py is no program" in done.stderr


def test_quotes_in_path(windows: Machine) -> None:
    """As in cmd.exe, an entry of PATH may stand in quotes."""
    windows.write("more of it/quoted.cmd", "@echo QUOTED\r\n")
    more = windows.path(windows.work / "more of it")
    done = windows.run(
        "-q", "--", "quoted", env={"WINEPATH": f'{windows.env["WINEPATH"]};"{more}"'}
    )
    assert done.stdout == "QUOTED\n"


def test_statuses(windows: Machine) -> None:
    """Every status of the tool comes back, those of Windows itself in 32 bits too."""
    script = "import json, subprocess\ndef one(n): return subprocess.call(['mtls-run', '-q', '--', "
    script += "'python', '-c', f'import os; os._exit({n})'])\n"
    script += f"print(json.dumps([one(n) for n in {STATUSES}]))\n"
    windows.write("statuses.py", script)
    done = windows.execute("python", "statuses.py")
    assert json.loads(done.stdout) == [status % 2**32 for status in STATUSES], done


def test_names_of_variables(windows: Machine) -> None:
    """A variable is the same in any case: the profile replaces it, and the tool gets it once."""
    windows.profile("")
    seen = windows.record(env={"ssl_cert_file": "C:\\wrong.pem", "Pip_Cert": "C:\\wrong.pem"})
    found = [name for name in seen["env"] if name.upper() in ("SSL_CERT_FILE", "PIP_CERT")]
    assert sorted(found) == ["PIP_CERT", "SSL_CERT_FILE"]
    assert "wrong" not in json.dumps(seen["env"])
