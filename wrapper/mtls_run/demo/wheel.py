"""Small packages, built from literals: wheels, and an sdist that looks for a private key."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass

VERSION = "1.0"
GREETING = "Hello! I came over mutual TLS, and so did the words I say."

_WORDS = f'''"""The words of hello-mtls."""

GREETING = {GREETING!r}
'''

_HELLO = '''"""A package that says hello in the words of another."""

from hello_mtls_words import GREETING


def greeting():
    """Return the words."""
    return GREETING
'''


# Looks where any build backend can look: at its variables, and at the files that they name.
_SEEKER = """import base64, hashlib, os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    found = []
    for name, value in sorted(os.environ.items()):
        try:
            content = open(value, "rb").read() if os.path.isfile(value) else value.encode()
        except (OSError, ValueError):
            continue
        if b"PRIVATE KEY" in content:
            found.append(name)
    text = "it found a private key, by " + found[-1] if found else "it found no private key"
    files = {
        "key_seeker.py": "FOUND = %r\\n" % text,
        "METADATA": "Metadata-Version: 2.1\\nName: key-seeker\\nVersion: 1.0\\n",
        "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    info = "key_seeker-1.0.dist-info/"
    files = {name if name.endswith(".py") else info + name: files[name] for name in files}
    name = "key_seeker-1.0-py3-none-any.whl"
    record = info + "RECORD"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)
        wheel.writestr(record, "".join(path + ",,\\n" for path in (*files, record)))
    return name
"""
_SEEKER_PROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "key-seeker"
version = "1.0"
"""


@dataclass(frozen=True)
class Wheel:
    """One wheel or sdist: its project's normalized name, its file's name and its bytes."""

    project: str
    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        """The hexadecimal digest that an index page gives beside the link."""
        return hashlib.sha256(self.content).hexdigest()


def demo_wheels() -> tuple[Wheel, Wheel]:
    """Return hello-mtls, and hello-mtls-words that it depends on."""
    return (
        build_wheel(
            "hello-mtls", {"hello_mtls.py": _HELLO}, requires=f"hello-mtls-words=={VERSION}"
        ),
        build_wheel("hello-mtls-words", {"hello_mtls_words.py": _WORDS}),
    )


def key_seeker() -> Wheel:
    """Return an sdist whose build backend looks for a private key, and says what it found."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as opened:
        for name, text in (
            ("backend.py", _SEEKER),
            ("pyproject.toml", _SEEKER_PROJECT),
            ("PKG-INFO", "Metadata-Version: 2.1\nName: key-seeker\nVersion: 1.0\n"),
        ):
            member = tarfile.TarInfo(f"key_seeker-1.0/{name}")
            member.size = len(text.encode())
            opened.addfile(member, io.BytesIO(text.encode()))
    return Wheel("key-seeker", "key_seeker-1.0.tar.gz", archive.getvalue())


def build_wheel(project: str, files: Mapping[str, str], requires: str | None = None) -> Wheel:
    """Return a pure Python wheel of `files`, a mapping of path to text.

    Its layout is that of the binary distribution format, packaging.python.org: a `.dist-info`
    directory at the end of the archive, with a RECORD that holds every file's digest and size.
    """
    stem = f"{project.replace('-', '_')}-{VERSION}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {VERSION}\n"
    if requires is not None:
        metadata += f"Requires-Dist: {requires}\n"
    members = {
        **files,
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: mtls-run demo\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
    }
    record = "".join(
        f"{path},{_digest(text)},{len(text.encode())}\n" for path, text in members.items()
    )
    members[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for path, text in members.items():
            opened.writestr(path, text)
    return Wheel(project, f"{stem}-py3-none-any.whl", archive.getvalue())


def _digest(text: str) -> str:
    """Return a RECORD entry's digest: URL-safe base64 without padding (PEP 427)."""
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
