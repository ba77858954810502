"""The roots of a profile: exactly one set, whatever tool and version reads it.

`resolve` says what the set is; `bundles` keeps it as a file named by its content.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.errors import RootsError
from mtls_run.record import Record

from . import certificates, stores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.origin import Origin, Setting
    from mtls_run.profile import Profile


class Roots(Record):
    """A set of trusted roots.

    Where the system has it as a file, `file` is that file; otherwise `content` is the PEM to be
    kept as one; neither, where the operating system verifies by itself. `native` says that the set
    is the system's store and nothing else.
    """

    HIDDEN = ("content",)

    base: str
    added: tuple[Path, ...]
    native: bool
    file: Path | None = None
    content: bytes | None = None

    def __str__(self) -> str:
        return " + ".join([self.base, *map(str, self.added)])


class _Setting(Record):
    """`ca-cert` in words, which are looked for only where they are said."""

    origin: Origin

    def __str__(self) -> str:
        return f"`ca-cert` at {self.origin}"


def resolve(profile: Profile, environ: Mapping[str, str]) -> Roots:
    """Return the roots of the profile.

    Raises RootsError, with the setting's origin, where they cannot be had, or would be none.
    """
    base = profile.roots.value
    added = profile.ca_cert.value if profile.ca_cert else ()
    if base == "system" and not added:
        return _system()
    found = _base(profile.roots, environ)
    if profile.ca_cert:
        for path in added:
            data = stores.read_bundle(path, _Setting(profile.ca_cert.origin), "ca-missing")
            profile.verify(path, data)
            found += certificates.read_added(data, str(path), profile.ca_cert.origin)
    if not found:
        raise RootsError(
            f'{profile.roots.origin}: roots = "none" without `ca-cert` trusts nobody',
            hint='name the CA that the index uses: ca-cert = "…"',
        )
    return Roots(base, added, native=False, content=certificates.to_pem(found))


def _system() -> Roots:
    if stores.verifier_is_native():
        return Roots("system", (), native=True)
    path = stores.system_file()
    if path is not None:
        return Roots("system", (), native=True, file=path)
    content = certificates.to_pem(certificates.read_store(stores.system_content(), "the system"))
    return Roots("system", (), native=True, content=content)


def _base(roots: Setting[str], environ: Mapping[str, str]) -> list[bytes]:
    if roots.value == "none":
        return []
    if roots.value == "system":
        return certificates.read_store(stores.system_content(), "the system's store of roots")
    if roots.value == "public":
        import certifi  # noqa: PLC0415 - only these roots need it

        path = Path(certifi.where())
        return certificates.read_store(stores.read_bundle(path, "certifi's roots"), str(path))
    return _from_environment(roots, environ)


def _from_environment(roots: Setting[str], environ: Mapping[str, str]) -> list[bytes]:
    """Return what SSL_CERT_FILE and SSL_CERT_DIR name, together: as OpenSSL and uv read them."""
    file, directories = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if not file and not directories:
        raise RootsError(
            f'{roots.origin}: roots = "environment", but neither SSL_CERT_FILE nor SSL_CERT_DIR '
            "is set",
            hint='set one of them, or use roots = "system"',
        )
    found: list[bytes] = []
    if file:
        path = Path(file).absolute()
        data = stores.read_bundle(path, "which SSL_CERT_FILE names", "variable-broken")
        found += certificates.read_store(data, f"{file}, which SSL_CERT_FILE names,")
    for directory in (directories or "").split(os.pathsep):
        data = stores.read_directory(Path(directory)) if directory else b""
        if data:
            found += certificates.read_store(data, directory)
    if not found:
        raise RootsError(
            f"{directories}, which SSL_CERT_DIR names, has no certificates",
            hint='name a directory of PEM files, or use roots = "system"',
        )
    return found
