"""A package index of files, built from literals: PEP 503 pages, wheels and one sdist.

`alpha-pkg` depends on `beta-pkg`; `gamma-src` is an sdist whose build backend, `gamma-backend`, is
on this index alone. The backend records what it can see of its surroundings, where GAMMA_RECORD
names a file, and then waits for its parent's end, where GAMMA_WAIT is set.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALPHA, BETA, GAMMA = "1.2", "0.7", "2.0"

BACKEND = '''
import base64, json, os, time, zipfile

NAME = "gamma_src-{version}-py3-none-any.whl"
INFO = "gamma_src-{version}.dist-info"

def surroundings():
    """Everything that a hostile backend could read without guessing."""
    lines, pid = [], os.getpid()
    while pid > 1:
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as stream:
                lines.append(base64.b64encode(stream.read()).decode())
            with open("/proc/%d/stat" % pid, "rb") as stream:
                pid = int(stream.read().rpartition(b")")[2].split()[1])
        except OSError:
            break
    env = {{name: value for name, value in os.environ.items()}}
    files = {{}}
    for name in ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT", "SSL_CERT_FILE", "PIP_CERT"):
        if env.get(name):
            try:
                with open(env[name], "rb") as stream:
                    files[name] = base64.b64encode(stream.read()).decode()
            except OSError as error:
                files[name] = repr(error)
    return {{"cmdlines": lines, "env": env, "files": files}}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if os.environ.get("GAMMA_RECORD"):
        with open(os.environ["GAMMA_RECORD"] + ".part", "w") as stream:
            json.dump(surroundings(), stream)
        os.rename(os.environ["GAMMA_RECORD"] + ".part", os.environ["GAMMA_RECORD"])
    parent = os.getppid()
    while os.environ.get("GAMMA_WAIT") and os.getppid() == parent:
        time.sleep(0.02)
    with zipfile.ZipFile(os.path.join(wheel_directory, NAME), "w") as wheel:
        wheel.writestr("gamma_src.py", "VERSION = '{version}'\\n")
        wheel.writestr(INFO + "/METADATA",
                       "Metadata-Version: 2.1\\nName: gamma-src\\nVersion: {version}\\n")
        wheel.writestr(INFO + "/WHEEL",
                       "Wheel-Version: 1.0\\nGenerator: gamma\\n"
                       "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(INFO + "/RECORD",
                       "gamma_src.py,,\\n%s/METADATA,,\\n%s/WHEEL,,\\n%s/RECORD,,\\n"
                       % (INFO, INFO, INFO))
    return NAME

def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError
'''


def wheel(name: str, version: str, source: str, requires: tuple[str, ...] = ()) -> bytes:
    """Return a pure Python wheel with one module, named as the project is."""
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{name}.py": source, f"{info}/METADATA": metadata, f"{info}/WHEEL": tags}
    lines = [f"{path},{_record(text.encode())}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def gamma_sdist() -> bytes:
    """Return the sdist of `gamma-src`."""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: gamma-src\nVersion: {GAMMA}\n",
        "pyproject.toml": (
            '[build-system]\nrequires = ["gamma-backend"]\nbuild-backend = "gamma_backend"\n\n'
            f'[project]\nname = "gamma-src"\nversion = "{GAMMA}"\n'
        ),
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"gamma_src-{GAMMA}/{path}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def add_project(root: Path, project: str, files: Mapping[str, bytes]) -> None:
    """Write the page of a project, and its files, below the root of a web server."""
    links = []
    (root / "files").mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / "files" / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        links.append(f'<a href="../../files/{name}#sha256={digest}">{name}</a>')
    page = root / "simple" / project / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    head = "<!DOCTYPE html><html><head><title>Links</title></head><body>"
    page.write_text(f"{head}{'<br>'.join(links)}</body></html>\n")


def write_index(root: Path) -> None:
    """Write `simple/` and `files/` below the root of a web server."""
    files = {
        f"alpha_pkg-{ALPHA}-py3-none-any.whl": wheel(
            "alpha_pkg",
            ALPHA,
            f"import beta_pkg\nVERSION = '{ALPHA}'\nBETA = beta_pkg.VERSION\n",
            ("beta-pkg>=0.5",),
        ),
        f"beta_pkg-{BETA}-py3-none-any.whl": wheel("beta_pkg", BETA, f"VERSION = '{BETA}'\n"),
        "gamma_backend-0.1-py3-none-any.whl": wheel(
            "gamma_backend", "0.1", BACKEND.format(version=GAMMA)
        ),
        f"gamma_src-{GAMMA}.tar.gz": gamma_sdist(),
    }
    for name, content in files.items():
        add_project(root, name.partition("-")[0].replace("_", "-"), {name: content})
    projects = sorted(page.name for page in (root / "simple").iterdir())
    links = "".join(f'<a href="{name}/">{name}</a>' for name in projects)
    root.joinpath("simple", "index.html").write_text(
        f"<!DOCTYPE html><html><head><title>Index</title></head><body>{links}</body></html>\n"
    )


def _record(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()},{len(content)}"
