"""The roots of a profile: exactly one set, whatever tool and version reads it.

`resolve` says what the set is; `bundles` keeps it as a file named by its content.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run.digests import sha256
from mtls_run.errors import RootsError
from mtls_run.record import Record

from . import bundles, stores

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.origin import Origin, Setting
    from mtls_run.profile import Profile


class Roots(Record):
    """A set of trusted roots.

    Where the system has it as a file, `file` is that file; otherwise `bundle` is the PEM to be
    kept as one; neither, where the operating system verifies by itself. `native` says that the set
    is the system's store and nothing else.
    """

    base: str
    added: tuple[Path, ...]
    native: bool
    file: Path | None = None
    bundle: bundles.Bundle | None = None

    def __str__(self) -> str:
        return " + ".join([self.base, *map(str, self.added)])


class _Source(Record):
    """Bytes that hold roots, and what they are called; `added` says that `ca-cert` names them."""

    HIDDEN = ("data",)

    data: bytes
    name: str
    added: Origin | None = None

    def read(self) -> list[bytes]:
        """Return the DER of the certificates; raises RootsError."""
        from . import certificates  # noqa: PLC0415 - what these bytes make is mostly known

        if self.added is None:
            return certificates.read_store(self.data, self.name)
        return certificates.read_added(self.data, self.name, self.added)


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
    sources = _base(profile.roots, environ)
    if profile.ca_cert:
        for path in added:
            data = stores.read_bundle(path, _Setting(profile.ca_cert.origin), "ca-missing")
            profile.verify(path, data)
            sources.append(_Source(data, str(path), profile.ca_cert.origin))
    if not sources:
        raise RootsError(
            f'{profile.roots.origin}: roots = "none" without `ca-cert` trusts nobody',
            hint='name the CA that the index uses: ca-cert = "…"',
        )
    return Roots(base, added, native=False, bundle=_made_of(sources))


def _made_of(sources: Sequence[_Source]) -> bundles.Bundle:
    """Return all certificates of these sources as one bundle; raises RootsError.

    What the same bytes made for an earlier run is used again: the system's store alone has some
    140 certificates.
    """
    named = sha256()
    for source in sources:
        named.update(b"store" if source.added is None else b"added")
        named.update(sha256(source.data).digest())
    made_from = named.hexdigest()
    known = bundles.recall(made_from)
    if known is not None:
        return known
    from . import certificates  # noqa: PLC0415 - see above

    found = [certificate for source in sources for certificate in source.read()]
    bundle = bundles.of(certificates.to_pem(found))
    bundles.remember(made_from, bundle)
    return bundle


def _system() -> Roots:
    if stores.verifier_is_native():
        return Roots("system", (), native=True)
    path = stores.system_file()
    if path is not None:
        return Roots("system", (), native=True, file=path)
    bundle = _made_of([_Source(stores.system_content(), "the system")])
    return Roots("system", (), native=True, bundle=bundle)


def _base(roots: Setting[str], environ: Mapping[str, str]) -> list[_Source]:
    if roots.value == "none":
        return []
    if roots.value == "system":
        return [_Source(stores.system_content(), "the system's store of roots")]
    if roots.value == "public":
        import certifi  # noqa: PLC0415 - only these roots need it

        path = Path(certifi.where())
        return [_Source(stores.read_bundle(path, "certifi's roots"), str(path))]
    return _from_environment(roots, environ)


def _from_environment(roots: Setting[str], environ: Mapping[str, str]) -> list[_Source]:
    """Return what SSL_CERT_FILE and SSL_CERT_DIR name, together: as OpenSSL and uv read them."""
    file, directories = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if not file and not directories:
        raise RootsError(
            f'{roots.origin}: roots = "environment", but neither SSL_CERT_FILE nor SSL_CERT_DIR '
            "is set",
            hint='set one of them, or use roots = "system"',
        )
    found: list[_Source] = []
    if file:
        path = Path(file).absolute()
        data = stores.read_bundle(path, "which SSL_CERT_FILE names", "variable-broken")
        found.append(_Source(data, f"{file}, which SSL_CERT_FILE names,"))
    for directory in (directories or "").split(os.pathsep):
        data = stores.read_directory(Path(directory)) if directory else b""
        if data:
            found.append(_Source(data, directory))
    if not found:
        raise RootsError(
            f"{directories}, which SSL_CERT_DIR names, has no certificates",
            hint='name a directory of PEM files, or use roots = "system"',
        )
    return found
