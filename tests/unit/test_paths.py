"""The run road's Path, beside pathlib's."""

from __future__ import annotations

import copy
import inspect
import os
import pathlib
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_run import paths

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there it is pathlib's")

TEXTS = st.text("/.~ab\u00e9\n", max_size=12) | st.lists(
    st.sampled_from(["a", "..", ".", "", "~", "b.c", ".d"]), max_size=5
).map("/".join)
# To a type checker the two are one.
Light: Any = paths.Path


@given(TEXTS, TEXTS)
def test_words_are_what_pathlib_makes_of_them(text: str, more: str) -> None:
    """Parts, parents and joins; a path is the same however it was written."""
    ours, theirs = Light(text), pathlib.Path(text)
    assert (str(ours), ours.name, ours.parts) == (str(theirs), theirs.name, theirs.parts)
    assert ours.is_absolute() == theirs.is_absolute()
    assert [*map(str, ours.parents)] == [*map(str, theirs.parents)]
    assert str(ours.parent) == str(theirs.parent)
    assert str(ours / more) == str(theirs / more)
    assert str(ours / Light(more)) == str(Light(text, more)) == str(theirs / more)
    assert str(ours.absolute()) == str(theirs.absolute())
    assert (ours == Light(more)) == (theirs == pathlib.Path(more))
    assert (ours < Light(more)) == (theirs < pathlib.Path(more))


@given(TEXTS)
def test_the_two_are_equal(text: str) -> None:
    """Either way round, and to nothing that is no path."""
    assert Light(text) == pathlib.Path(text)
    assert pathlib.Path(text) == Light(text)
    assert Light(text) != text
    assert pathlib.Path("/x") / Light(text) == pathlib.Path("/x") / text


QUESTIONS: dict[str, Callable[[Any], object]] = {
    "exists": lambda path: path.exists(),
    "is_file": lambda path: path.is_file(),
    "is_dir": lambda path: path.is_dir(),
    "is_symlink": lambda path: path.is_symlink(),
    "iterdir": lambda path: sorted(map(str, path.iterdir())),
    "inode": lambda path: path.stat().st_ino,
    "inode of the link": lambda path: path.lstat().st_ino,
    "read_bytes": lambda path: path.read_bytes(),
    "suffix": lambda path: path.suffix,
    "with_name": lambda path: str(path.with_name("other")),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "name",
    ["file", "folder", "link", "dangling", "loop", "none", "file/below", "n\0l", "folder/../file"],
)
def test_the_file_system_answers_both_alike(
    tmp_path: pathlib.Path, question: str, name: str
) -> None:
    """Whatever is there, also where the answer is an error; what is not ours is pathlib's."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inner").touch()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    answers: list[object] = []
    for path in (Light(tmp_path / name), tmp_path / name):
        try:
            answers.append(QUESTIONS[question](path))
        except (OSError, ValueError) as error:
            answers.append((type(error), getattr(error, "errno", None)))
    assert answers[0] == answers[1]


def test_what_may_not_be_looked_at_is_an_error_to_both(tmp_path: pathlib.Path) -> None:
    """Neither takes what is forbidden for what is not there."""

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "forbidden")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "stat", forbidden)
        with pytest.raises(PermissionError):
            Light(tmp_path / "x").is_file()


def test_changes(tmp_path: pathlib.Path) -> None:
    """They happen, and refuse, as pathlib's do."""
    folder = Light(tmp_path / "folder")
    folder.mkdir(mode=0o700)
    with pytest.raises(FileExistsError):
        folder.mkdir()
    folder.mkdir(exist_ok=True)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        Light(tmp_path / "file").mkdir(exist_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "a/b").mkdir()
    (folder / "a/b").mkdir(parents=True, exist_ok=True)
    assert (tmp_path / "folder/a/b").is_dir()
    assert Light(tmp_path / "file").replace(folder / "other") == folder / "other"
    (folder / "other").chmod(0o400)
    assert (tmp_path / "folder/other").stat().st_mode & 0o777 == 0o400
    (folder / "other").unlink()
    (folder / "other").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (folder / "other").unlink()


def test_home(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home directory, and an error where nobody knows one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Light.home() == Light("~").expanduser() == tmp_path
    assert Light("~/x").expanduser() == tmp_path / "x"
    assert Light("x/~").expanduser() == pathlib.Path("x/~")
    with pytest.raises(RuntimeError):
        Light("~nobody-of-this-name/x").expanduser()
    monkeypatch.chdir(tmp_path)
    assert Light.cwd() == tmp_path


def test_copies() -> None:
    """Records that hold paths are copied and compared."""
    path = Light("/a/b")
    assert copy.deepcopy(path) == pickle.loads(pickle.dumps(path)) == path  # noqa: S301
    assert hash(path) == hash(Light("/a//b/"))
    assert repr(path) == "Path('/a/b')"


def test_pathlib_is_not_imported() -> None:
    """That is what it is for."""
    code = "import sys; from mtls_run.paths import Path\n"
    code += "p = Path('/a') / 'b'; p.exists(), p.parents, p.name, p == Path('/c')\n"
    code += "print('pathlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": str(pathlib.Path(paths.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


def test_what_pathlib_takes_is_taken() -> None:
    """A method that is here has every parameter that pathlib's has had since Python 3.9."""
    for name, ours in vars(paths.Path).items():
        if name.startswith("_") or not inspect.isfunction(ours):
            continue
        theirs = inspect.signature(getattr(pathlib.Path, name)).parameters
        late = {"follow_symlinks"} if name not in ("stat", "chmod") else set()
        assert set(theirs) - late <= set(inspect.signature(ours).parameters), name
