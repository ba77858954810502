"""pathlib's Path for the modules that a run has to import, without importing pathlib.

With `re` and what else that imports it is a start of Python by itself. What the run road asks of a
path is here, and answers as pathlib does (tests/unit/test_paths.py compares them); for anything
else it becomes pathlib's. To a type checker, and on Windows, it is pathlib's.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING or sys.platform == "win32":
    from pathlib import Path as Path  # noqa: PLC0414 - it is imported from here
else:
    # What pathlib takes for "it is not there".
    _ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)

    class Path(os.PathLike):
        """A path of POSIX, normalised as pathlib does: `..` is left in it."""

        __slots__ = ("_text",)

        def __init__(self, *parts: str | os.PathLike[str]) -> None:
            self._text = _normal(os.path.join("", *parts))

        def __getattr__(self, name: str) -> object:
            if name.startswith("__"):  # copy and pickle ask for what there is not
                raise AttributeError(name)
            return getattr(self._real(), name)

        def _real(self) -> object:
            import pathlib  # noqa: PLC0415 - that is the point

            return pathlib.Path(self._text)

        def __fspath__(self) -> str:
            return self._text

        def __str__(self) -> str:
            return self._text

        def __repr__(self) -> str:
            return f"Path({self._text!r})"

        def __eq__(self, other: object) -> bool:
            if type(other) is Path:
                return self._text == other._text
            return self._real() == other if isinstance(other, os.PathLike) else NotImplemented

        def __hash__(self) -> int:
            return hash(self._text)

        def __lt__(self, other: Path) -> bool:
            return self._real() < Path(other)._real()

        def __truediv__(self, other: str | os.PathLike[str]) -> Path:
            return Path(self._text, other)

        def __reduce__(self) -> object:
            return Path, (self._text,)

        @classmethod
        def cwd(cls) -> Path:
            return cls(os.getcwd())

        @classmethod
        def home(cls) -> Path:
            return cls("~").expanduser()

        @property
        def parts(self) -> tuple[str, ...]:
            root = _root(self._text)
            rest = self._text[len(root) :]
            return ((root,) if root else ()) + (
                tuple(rest.split("/")) if rest not in ("", ".") else ()
            )

        @property
        def name(self) -> str:
            name = self._text.rpartition("/")[2]
            return "" if name == "." else name

        @property
        def parent(self) -> Path:
            name = self.name
            if not name:
                return self
            above = self._text[: -len(name)]
            return _as_it_is(above.rstrip("/") or _root(above) or ".")

        @property
        def parents(self) -> tuple[Path, ...]:
            found = [self]
            while found[-1].name:
                found.append(found[-1].parent)
            return tuple(found[1:])

        def is_absolute(self) -> bool:
            return self._text.startswith("/")

        def absolute(self) -> Path:
            return self if self.is_absolute() else Path(os.getcwd(), self._text)

        def expanduser(self) -> Path:
            expanded = os.path.expanduser(self._text)
            if expanded.startswith("~"):
                raise RuntimeError("Could not determine home directory.")
            return Path(expanded)

        def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
            return os.stat(self._text, follow_symlinks=follow_symlinks)

        def lstat(self) -> os.stat_result:
            return os.lstat(self._text)

        def exists(self, *, follow_symlinks: bool = True) -> bool:
            return _mode(os.stat if follow_symlinks else os.lstat, self._text) is not None

        def is_file(self) -> bool:
            return stat.S_ISREG(_mode(os.stat, self._text) or 0)

        def is_dir(self) -> bool:
            return stat.S_ISDIR(_mode(os.stat, self._text) or 0)

        def is_symlink(self) -> bool:
            return stat.S_ISLNK(_mode(os.lstat, self._text) or 0)

        def iterdir(self) -> object:
            return iter([Path(self._text, name) for name in os.listdir(self._text)])

        def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
            if parents:
                self._real().mkdir(mode, parents, exist_ok)
                return
            try:
                os.mkdir(self._text, mode)
            except FileExistsError:
                if not exist_ok or not self.is_dir():
                    raise

        def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
            os.chmod(self._text, mode, follow_symlinks=follow_symlinks)

        def replace(self, target: str | os.PathLike[str]) -> Path:
            os.replace(self._text, target)
            return Path(target)

        def unlink(self, missing_ok: bool = False) -> None:
            try:
                os.unlink(self._text)
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def _as_it_is(text: str) -> Path:
        """Return the path of a text that is normalised already."""
        path = object.__new__(Path)
        path._text = text
        return path

    def _root(text: str) -> str:
        """Return the slash that a path begins with; two of them, not three, are another root."""
        if not text.startswith("/"):
            return ""
        return "//" if text.startswith("//") and not text.startswith("///") else "/"

    def _normal(text: str) -> str:
        if text[:1] not in ("", ".") and text[-1] != "/" and "//" not in text and "/." not in text:
            return text  # nearly always
        root = _root(text)
        kept = [part for part in text.split("/") if part not in ("", ".")]
        return root + "/".join(kept) if root or kept else "."

    def _mode(ask: object, text: str) -> int | None:
        try:
            return ask(text).st_mode
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
        except ValueError:  # a NUL
            pass
        return None
