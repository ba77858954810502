"""`mtls-run shims`: programs on PATH, put there and taken away, and what they do."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.support import failed, ready
from tests.shells import COMMANDS, TOOLS, before, shims

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sandbox import Sandbox


def snapshot(folder: Path) -> dict[str, str]:
    """Return what lies in a directory: each name, with its mode and what it holds or leads to."""
    found = {}
    for path in folder.iterdir():
        mode = oct(path.lstat().st_mode)
        content = os.readlink(path) if path.is_symlink() else ""
        if path.is_file():
            content += path.read_bytes().hex()
        found[path.name] = f"{mode} {content}"
    return found


def listed(sandbox: Sandbox, *args: str | Path, **env: str) -> list[dict[str, Any]]:
    """Return what `shims list --json` says."""
    done = sandbox.run("shims", "list", "--json", *args, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(done.stdout)["shims"]
    return found


def test_install(sandbox: Sandbox) -> None:
    """Four programs in the user's data directory, said one by one; twice is as once."""
    folder = sandbox.root / "data/mtls-run/shims"
    done = sandbox.run("shims", "install")
    assert done.stdout == "".join(f"installed {folder / tool}\n" for tool in TOOLS)
    assert done.returncode == 0
    assert f"notice: {', '.join(TOOLS)}: {folder} is not on PATH; put it first" in done.stderr
    assert f'export PATH={folder}:"$PATH"' in done.stderr
    once = snapshot(folder)
    assert sorted(once) == sorted(TOOLS)
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in folder.iterdir())
    again = sandbox.run("shims", "install", env={"PATH": before(sandbox, folder)})
    assert (again.returncode, again.stderr) == (0, "")
    assert snapshot(folder) == once


@pytest.mark.parametrize("written", ["{}", "~/{}", "sub/../{}"], ids=["plain", "home", "dots"])
def test_other_directory(sandbox: Sandbox, written: str) -> None:
    """Whatever its name, and however it is written: shims work from there, and go from there."""
    tool = sandbox.fake_tool("uv")
    (sandbox.home / "sub").mkdir()
    name = """it's "one" $HOME `x` * é"""
    folder = sandbox.home / name
    done = sandbox.run("shims", "install", "--dir", written.format(name))
    assert done.returncode == 0, done
    env = {"PATH": before(sandbox, folder)}
    done = sandbox.execute(["sh", "-c", "uv 'a b'"], env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().args == [b"a b"]
    done = sandbox.run("shims", "remove", "--dir", written.format(name))
    assert done.returncode == 0, done
    assert not folder.exists()


def test_tool(sandbox: Sandbox) -> None:
    """--tool is one more program each time, which gets what `mtls-run -- it` would give it."""
    identity = ready(sandbox)
    tool = sandbox.fake_tool("my.build-tool")
    done = sandbox.run("shims", "install", "--tool", "my.build-tool", "--tool", "uv")
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == [
        *TOOLS,
        "my.build-tool",
    ]
    env = {"PATH": before(sandbox, sandbox.root / "data/mtls-run/shims")}
    done = sandbox.execute(["sh", "-c", "my.build-tool -- -p x"], env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().args == [b"--", b"-p", b"x"]
    assert tool.seen().get("SSL_CLIENT_CERT") == str(identity)
    assert tool.seen().get("PIP_CLIENT_CERT") == str(identity)


@pytest.mark.parametrize("tool", ["", ".", "..", "a/b", "/bin/uv", "mtls-run"])
def test_names_that_can_have_no_shim(sandbox: Sandbox, tool: str) -> None:
    """A path, nothing at all and mtls-run itself are refused, and nothing is written."""
    done = sandbox.run("shims", "install", "--tool", tool)
    failed(done, f"cannot make a shim for `{tool}`", "name a program, without its path")
    assert not (sandbox.root / "data/mtls-run").exists()


@pytest.mark.parametrize("what", ["program", "empty", "link", "dangling", "directory"])
def test_nothing_is_written_over(sandbox: Sandbox, what: str) -> None:
    """Where one name is taken by what is no shim, nothing is written, not even the others."""
    folder = sandbox.home / "bin"
    folder.mkdir()
    path = folder / "uvx"
    if what == "program":
        sandbox.fake_tool("uvx", folder=folder)
    elif what == "empty":
        path.touch()
    elif what == "directory":
        path.mkdir()
    else:
        path.symlink_to("/bin/sh" if what == "link" else "nowhere")
    as_it_was = snapshot(folder)
    done = sandbox.run("shims", "install", "--dir", folder)
    failed(done, f"{path} exists, and is no shim of mtls-run's", "install --dir DIR")
    assert snapshot(folder) == as_it_was


def test_directory_that_cannot_be_made(sandbox: Sandbox) -> None:
    """A file where a directory should be is an error that names it."""
    sandbox.write("file", "")
    done = sandbox.run("shims", "install", "--dir", "file/shims")
    failed(done, f"cannot write shims to {sandbox.home}/file/shims: Not a directory")
    failed(sandbox.run("shims", "install", "--dir", "file"), f"{sandbox.home}/file")


def test_remove(sandbox: Sandbox) -> None:
    """All of them and the directories that were made for them; then there are none."""
    folder = shims(sandbox)
    done = sandbox.run("shims", "remove")
    assert done.stdout == "".join(f"removed {folder / tool}\n" for tool in sorted(TOOLS))
    assert (done.returncode, done.stderr) == (0, "")
    assert list((sandbox.root / "data").iterdir()) == []
    done = sandbox.run("shims", "remove")
    assert (done.returncode, done.stdout) == (0, f"there are no shims in {folder}\n")


def test_remove_one(sandbox: Sandbox) -> None:
    """--tool takes away what it names, each time it is given."""
    folder = shims(sandbox)
    done = sandbox.run("shims", "remove", "--tool", "pip", "--tool", "uvx")
    assert done.returncode == 0, done
    assert sorted(snapshot(folder)) == ["pip3", "uv"]
    done = sandbox.run("shims", "remove", "--tool", "uv", "--tool", "pip")
    failed(done, f"there is no shim for pip in {folder}", "mtls-run shims list")
    assert sorted(snapshot(folder)) == ["pip3", "uv"]


def test_remove_leaves_what_is_none(sandbox: Sandbox) -> None:
    """Programs of other people stay, with the directory, and cannot be named either."""
    folder = shims(sandbox)
    sandbox.fake_tool("poetry", folder=folder)
    (folder / "uvw").symlink_to("nowhere")
    own = {name: what for name, what in snapshot(folder).items() if name not in TOOLS}
    done = sandbox.run("shims", "remove", "--tool", "poetry")
    failed(done, f"there is no shim for poetry in {folder}")
    assert set(snapshot(folder)) == {*own, *TOOLS}
    assert sandbox.run("shims", "remove").returncode == 0
    assert snapshot(folder) == own


def test_list_none(sandbox: Sandbox) -> None:
    """Without any it says so, and how to have them; as JSON it is an empty list."""
    done = sandbox.run("shims", "list")
    assert done.returncode == 0
    assert done.stdout.endswith("nor on PATH; to make them: mtls-run shims install\n")
    assert listed(sandbox) == []


def test_list_reached(sandbox: Sandbox) -> None:
    """First on PATH: each is reached, and says what it runs, if there is anything."""
    folder, tool = shims(sandbox), sandbox.fake_tool("uv")
    path = before(sandbox, folder)
    found = {one["tool"]: one for one in listed(sandbox, PATH=path)}
    assert sorted(found) == sorted(TOOLS)
    assert found["uv"] == {
        "path": str(folder / "uv"),
        "tool": "uv",
        "reached": True,
        "first_on_path": str(folder / "uv"),
        "runs": str(tool.path),
        "shadowed_by": None,
        "to_do": None,
    }
    assert (found["uvx"]["reached"], found["uvx"]["runs"]) == (True, None)
    said = sandbox.run("shims", "list", env={"PATH": path}).stdout
    rows = [line.split(maxsplit=2) for line in said.splitlines()]
    assert rows[0] == ["shim", "reached", "runs"]
    assert len(rows) == 1 + len(TOOLS)
    assert [f"{folder}/uv", "yes", str(tool.path)] in rows
    assert [f"{folder}/uvx", "yes", "no uvx on PATH"] in rows


def test_list_off_path(sandbox: Sandbox) -> None:
    """A directory that is not on PATH is said to be, and how to put it there."""
    folder = shims(sandbox)
    (one,) = (one for one in listed(sandbox) if one["tool"] == "uv")
    assert (one["reached"], one["first_on_path"]) == (False, None)
    assert one["shadowed_by"] == f"{folder} is not on PATH"
    assert one["to_do"].endswith(f'export PATH={folder}:"$PATH"')
    said = sandbox.run("shims", "list").stdout
    assert f": {folder} is not on PATH\n  to do: put it first" in said
    assert said.count("to do:") == 1


def test_list_behind_a_program(sandbox: Sandbox) -> None:
    """A program that comes first is named, and its directory."""
    folder, tool = shims(sandbox), sandbox.fake_tool("uv")
    (one,) = (
        one
        for one in listed(sandbox, PATH=f"{sandbox.bin}:{folder}:/usr/bin:/bin")
        if one["tool"] == "uv"
    )
    assert (one["reached"], one["first_on_path"], one["runs"]) == (False, *[str(tool.path)] * 2)
    assert one["shadowed_by"] == f"{tool.path} comes first on PATH"
    assert one["to_do"] == f"put {folder} before {sandbox.bin}"


def test_list_behind_a_virtual_environment(sandbox: Sandbox) -> None:
    """An active environment's own program is told apart: its directory is to stay first."""
    folder, venv = shims(sandbox), sandbox.home / "venv"
    own = sandbox.fake_tool("pip", folder=venv / "bin")
    path = before(sandbox, venv / "bin", folder)
    (one,) = (
        one for one in listed(sandbox, PATH=path, VIRTUAL_ENV=str(venv)) if one["tool"] == "pip"
    )
    assert one["shadowed_by"] == f"{own.path}, of the active virtual environment, comes first"
    assert one["to_do"] == "type mtls-run pip, or use a shell function: mtls-run init"


def test_list_behind_another_shim(sandbox: Sandbox) -> None:
    """Shims of two directories are all listed; the later one is no trouble."""
    folder, other = shims(sandbox), sandbox.home / "shims"
    assert sandbox.run("shims", "install", "--dir", other, "--tool", "tox").returncode == 0
    tool = sandbox.fake_tool("uv")
    found = listed(sandbox, PATH=before(sandbox, other, folder))
    assert len(found) == len(TOOLS) * 2 + 1
    first, second = (one for one in found if one["tool"] == "uv")
    assert {first["runs"], second["runs"]} == {str(tool.path)}
    behind, ahead = (first, second) if first["path"].startswith(str(folder)) else (second, first)
    assert ahead["reached"]
    assert behind["shadowed_by"] == f"{other}/uv, another shim, comes first"
    assert behind["to_do"] == "nothing: it does the same"
    named = listed(sandbox, "--dir", other)
    assert [one["path"] for one in named] == [str(other / name) for name in sorted([*TOOLS, "tox"])]


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash"])
def test_run_by_any_sh(sandbox: Sandbox, shell: str) -> None:
    """A shim is POSIX: /bin/sh may be any of these."""
    tool = sandbox.fake_tool("uv")
    shim = shims(sandbox) / "uv"
    done = sandbox.execute([*COMMANDS[shell], shim, "a b", "", "--", "*"])
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().args == [b"a b", b"", b"--", b"*"]


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash"])
def test_mtls_run_is_gone(sandbox: Sandbox, shell: str) -> None:
    """Without mtls-run a shim is 127 and says what it is; it never runs the tool by itself."""
    tool = sandbox.fake_tool("uv")
    shim = shims(sandbox) / "uv"
    shim.write_text(shim.read_text().replace(str(sandbox.program), "/gone/mtls-run"))
    done = sandbox.execute([*COMMANDS[shell], shim, "lock"])
    failed(
        done,
        f"{shim} is a shim of mtls-run, which is not installed",
        f"without mtls-run, uv is {tool.path}",
        127,
    )
    assert tool.runs == 0


def test_mtls_run_has_moved(sandbox: Sandbox) -> None:
    """Another mtls-run on PATH takes the place of one that is gone."""
    tool = sandbox.fake_tool("uv")
    shim = shims(sandbox) / "uv"
    shim.write_text(shim.read_text().replace(str(sandbox.program), "/gone/mtls-run"))
    (sandbox.bin / "mtls-run").symlink_to(sandbox.program)
    done = sandbox.execute([shim, "lock"])
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.seen().args == [b"lock"]


def test_there_is_no_tool(sandbox: Sandbox) -> None:
    """A shim for what is not installed is 127, as a shell's answer would be."""
    shim = shims(sandbox) / "uv"
    env = {"PATH": f"{shim.parent}:{sandbox.bin}"}
    done = sandbox.execute(["/bin/sh", "-c", "uv lock"], env=env)
    fact = f"there is no `uv` on PATH beside {shim}, which leads back to mtls-run"
    failed(done, fact, "install uv", 127)


@pytest.mark.parametrize("kind", ["symlink", "hard link", "copy", "all"])
def test_the_same_shim_twice(sandbox: Sandbox, kind: str) -> None:
    """However often a shim is on PATH, and as what: the tool runs once, with one mtls-run."""
    tool = sandbox.fake_tool("uv")
    shim = shims(sandbox) / "uv"
    folders = []
    for name in ("symlink", "hard link", "copy"):
        if kind in (name, "all"):
            path = sandbox.home / name / "uv"
            path.parent.mkdir()
            if name == "symlink":
                path.symlink_to(shim)
            elif name == "hard link":
                os.link(shim, path)
            else:
                shutil.copy(shim, path)
            folders.append(path.parent)
    env = {"PATH": before(sandbox, *folders, shim.parent, *reversed(folders))}
    done = sandbox.execute(["sh", "-c", "uv lock"], env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 1
    assert tool.seen().argv == [os.fsencode(tool.path), b"lock"]
    assert str(tool.seen().get("MTLS_RUN_NESTING")).split(":")[2] == "1"


def test_link_of_another_name(sandbox: Sandbox) -> None:
    """A shim takes the tool's name from its own: a link called uvx is one for uvx."""
    uv, uvx = sandbox.fake_tool("uv"), sandbox.fake_tool("uvx")
    shim = shims(sandbox) / "uv"
    link = sandbox.home / "uvx"
    link.symlink_to(shim)
    assert sandbox.execute([link, "ruff"]).returncode == 0
    assert (uv.runs, uvx.runs) == (0, 1)


@pytest.mark.parametrize("started", ["relative", "absolute", "empty entry of PATH"])
def test_ways_to_start_one(sandbox: Sandbox, started: str) -> None:
    """By a path, or from the current directory, which an empty entry of PATH is."""
    tool = sandbox.fake_tool("uv")
    folder = shims(sandbox)
    words = {"relative": "./uv lock", "absolute": f"{folder}/uv lock"}
    env = {"PATH": f":{sandbox.env['PATH']}"}
    command = words.get(started, "uv lock")
    done = sandbox.execute(["sh", "-c", command], env=env, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert tool.runs == 1
