"""Two small wheels, one of which needs the other, built from literals."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@dataclass(frozen=True)
class Wheel:
    """One wheel: its project's normalized name, its file's name and its bytes."""

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
