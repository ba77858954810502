"""The roots of a profile: exactly one set, whatever tool and version reads it.

`resolve` says what the set is; `bundles` keeps it as a file named by its content.
"""

from __future__ import annotations

import os
from pathlib import Path

from mtls_run.cache import dependencies
from mtls_run.errors import RootsError
from mtls_run.record import Record
from mtls_run.roots import bundle as bundles
from mtls_run.roots import stores
from mtls_run.system.digests import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.config.origin import Origin, Setting
    from mtls_run.config.profile import Profile


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
    """What holds roots, and what it is called; `added` says that `ca-cert` names it.

    `path` is the file of a store, whose `data` need not be read where it is known by its mark.
    """

    HIDDEN = ("data",)

    data: bytes | None
    name: str
    added: Origin | None = None
    path: Path | None = None

    @property
    def content(self) -> bytes:
        """Return the bytes; raises RootsError."""
        if self.data is not None:
            return self.data
        assert self.path is not None  # noqa: S101 - it has one or the other
        return stores.read_bundle(self.path, self.name)

    def mark(self, *, again: bool) -> bytes:
        """Return what tells it from any other: its bytes, or its file's status where that will do.

        A store that has just been written could be written again, and look the same.
        """
        if self.path is not None and again:
            dependencies.file(self.path)
            if dependencies.is_settled(str(self.path)):
                mark = f"{self.path}\0{dependencies.stamp(dependencies.FILE, str(self.path))}"
                return sha256(mark.encode("utf-8", "surrogateescape")).digest()
        return sha256(self.content).digest()

    def read(self) -> list[bytes]:
        """Return the DER of the certificates; raises RootsError."""
        from mtls_run.roots import certificates  # noqa: PLC0415 - what these bytes make is mostly known

        if self.added is None:
            return certificates.read_store(self.content, str(self.path or self.name))
        return certificates.read_added(self.content, self.name, self.added)


class _Setting(Record):
    """`ca-cert` in words, which are looked for only where they are said."""

    origin: Origin

    def __str__(self) -> str:
        return f"`ca-cert` at {self.origin}"


def resolve(profile: Profile, environ: Mapping[str, str], *, again: bool = False) -> Roots:
    """Return the roots of the profile.

    With `again`, a bundle that an earlier run has made is known by what it was made from.

    Raises RootsError, with the setting's origin, where they cannot be had, or would be none.
    """
    base = profile.roots.value
    added = profile.ca_cert.value if profile.ca_cert else ()
    if base == "system" and not added:
        return _system(again=again)
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
    return Roots(base, added, native=False, bundle=_made_of(sources, again=again))


def _made_of(sources: Sequence[_Source], *, again: bool) -> bundles.Bundle:
    """Return all certificates of these sources as one bundle; raises RootsError.

    The system's store alone has some 140 certificates.
    """
    marks = [source.mark(again=again) for source in sources]
    named = sha256()
    for source, mark in zip(sources, marks):
        named.update(b"store" if source.added is None else b"added")
        named.update(mark)
    made_from = named.hexdigest()
    known = bundles.recall(made_from) if again else None
    if known is not None:
        return known
    from mtls_run.roots import certificates  # noqa: PLC0415 - see above

    found = [certificate for source in sources for certificate in source.read()]
    # A store that was another while it was read is not what the marks tell.
    same = again and marks == [source.mark(again=again) for source in sources]
    return bundles.of(certificates.to_pem(found), made_from if same else "")


def _system(*, again: bool) -> Roots:
    if stores.verifier_is_native():
        return Roots("system", (), native=True)
    path = stores.system_file()
    if path is not None:
        return Roots("system", (), native=True, file=path)
    bundle = _made_of([_Source(stores.system_content(), "the system")], again=again)
    return Roots("system", (), native=True, bundle=bundle)


def _base(roots: Setting[str], environ: Mapping[str, str]) -> list[_Source]:
    if roots.value == "none":
        return []
    if roots.value == "system":
        path = stores.system_file()
        data = stores.system_content() if path is None else None
        return [_Source(data, "the system's roots", path=path)]
    if roots.value == "public":
        import certifi  # noqa: PLC0415 - only these roots need it

        return [_Source(None, "certifi's roots", path=Path(certifi.where()))]
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
