"""Registries of npm and cargo below the index's nginx: static files, one package each."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.server import Server


def _archive(files: dict[str, bytes]) -> bytes:
    """Return a .tar.gz with these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def write_npm(server: Server) -> str:
    """Serve the npm package `left`; return the registry's URL."""
    content = _archive({"package/package.json": b'{"name": "left", "version": "1.0.0"}'})
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    url = f"https://localhost:{server.port}/npm/"
    version = {
        "name": "left",
        "version": "1.0.0",
        "dist": {"tarball": f"{url}left.tgz", "integrity": f"sha512-{digest}"},
    }
    folder = server.root / "www/npm"
    folder.mkdir(exist_ok=True)
    (folder / "left.tgz").write_bytes(content)
    about = {"name": "left", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    (folder / "left").write_text(json.dumps(about))
    return url


def write_cargo(server: Server) -> str:
    """Serve the crate `left` by a sparse registry (cargo 1.68 and newer); return its URL."""
    manifest = b'[package]\nname = "left"\nversion = "1.0.0"\nedition = "2021"\n'
    content = _archive({"left-1.0.0/Cargo.toml": manifest, "left-1.0.0/src/lib.rs": b""})
    url = f"https://localhost:{server.port}/cargo/"
    folder = server.root / "www/cargo"
    (folder / "le/ft").mkdir(parents=True, exist_ok=True)
    (folder / "left.crate").write_bytes(content)
    (folder / "config.json").write_text(json.dumps({"dl": f"{url}{{crate}}.crate"}))
    about = {
        "name": "left",
        "vers": "1.0.0",
        "deps": [],
        "features": {},
        "yanked": False,
        "cksum": hashlib.sha256(content).hexdigest(),
    }
    (folder / "le/ft/left").write_text(json.dumps(about))
    return url
