"""Build mtls-run as one file, which needs Python and nothing else.

    python3.11 wrapper/onefile/build.py [FILE]      (default: dist/mtls-run-VERSION-PYTHON-PLATFORM)

The file is for the Python that runs this script and for its platform, since cryptography and cffi
are compiled. pip takes the dependencies from its index and checks them by requirements/file.lock.
The same sources give the same bytes.
"""

from __future__ import annotations

import compileall
import hashlib
import io
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PYTHON = "python{}.{}".format(*sys.version_info)
PLATFORM = sysconfig.get_platform()
# It has Python's version, the processor and the C library: .cpython-311-x86_64-linux-gnu.so
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# The earliest time that a zip archive can state.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build(target: Path) -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder, "app")
        fill(app)
        # pyc files that Python takes without a look at the source: it is unpacked beside them.
        compileall.compile_dir(
            app,
            quiet=1,
            stripdir=str(app),
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        app.joinpath("start.py").write_bytes(filled("start.py"))
        content = packed({path.relative_to(app): path.read_bytes() for path in files(app)})
    name = f"app-{hashlib.sha256(content).hexdigest()[:32]}"
    archive = packed(
        {"__main__.py": filled("unpack.py", name), "app.zip": content}, zipfile.ZIP_STORED
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.new")
    made.write_bytes(filled("launcher.sh", name) + archive)
    made.chmod(0o755)
    made.replace(target)


def fill(app: Path) -> None:
    """Put mtls-run and what it needs into the directory."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-compile", "--only-binary", ":all:", "--require-hashes", "--target", str(app)]
    subprocess.run([*pip, "-r", str(REPOSITORY / "requirements/file.lock")], check=True)
    shutil.rmtree(app / "bin", ignore_errors=True)
    for name in ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json"):
        for path in app.glob(f"*.dist-info/{name}"):
            path.unlink()
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "wrapper/mtls_run", app / "mtls_run", ignore=ignored)
    shutil.copytree(REPOSITORY / "shims", app / "mtls_run/shims", ignore=ignored)
    shutil.copy(REPOSITORY / "LICENSE", app / "mtls_run/LICENSE")


def files(folder: Path) -> list[Path]:
    """Return the files below the folder in an order that no file system decides."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def packed(entries: Mapping[str | Path, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of these entries, in which nothing tells of this machine."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path, content in entries.items():
            entry = zipfile.ZipInfo(Path(path).as_posix(), EPOCH)
            entry.compress_type = compression
            archive.writestr(entry, content)
    return made.getvalue()


def filled(source: str, name: str = "") -> bytes:
    """Return a file of this directory with the facts of this build."""
    text = HERE.joinpath(source).read_text(encoding="utf-8")
    facts = {"NAME": name, "PYTHON": PYTHON, "SUFFIX": SUFFIX, "PLATFORM": PLATFORM}
    return re.sub(r"@([A-Z]+)@", lambda mark: facts[mark[1]], text).encode()


def main() -> None:
    """Build the file that the command line names."""
    version = re.search(
        r'__version__ = "(.+)"', (REPOSITORY / "wrapper/mtls_run/__init__.py").read_text()
    )
    assert version
    name = f"mtls-run-{version[1]}-{PYTHON}-{PLATFORM}"
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "dist" / name
    build(target)
    sys.stdout.write(f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}\n")


if __name__ == "__main__":
    main()
