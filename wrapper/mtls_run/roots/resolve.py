"""The roots of a profile: exactly one set, whatever tool and version reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import mtls_run.roots
from mtls_run.cache.dependencies import Dependencies
from mtls_run.errors import RootsError
from mtls_run.roots import bundle as bundle_files
from mtls_run.roots import stores
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from mtls_run.config.origin import Origin, Setting
    from mtls_run.config.profile import Profile
    from mtls_run.roots.bundle import Bundle


@dataclass(frozen=True)
class Roots:
    """A set of trusted roots.

    Where the system has the set as a file, `file` is that file; otherwise `bundle` is to become
    one. Neither is set where the operating system verifies by itself. `native` tells that the set
    is the system's store and nothing else.
    """

    base: str
    added: tuple[Path, ...]
    native: bool
    file: Path | None = None
    bundle: Bundle | None = None

    def __str__(self) -> str:
        return " + ".join([self.base, *map(str, self.added)])


@dataclass(frozen=True)
class _Source:
    """PEM or DER that holds roots, and its name; `added` says where `ca-cert` names it."""

    data: bytes = field(repr=False)
    name: str
    added: Origin | None = None

    def read(self) -> list[bytes]:
        """Return the DER of the certificates; raises RootsError."""
        if self.added is None:
            return mtls_run.roots.certificates.read_store(self.data, self.name)
        return mtls_run.roots.certificates.read_added(self.data, self.name, self.added)


def resolve(
    profile: Profile,
    environ: Mapping[str, str],
    rests_on: Dependencies | None = None,
    *,
    use_results: bool = False,
) -> Roots:
    """Return the roots of the profile.

    With `use_results`, a bundle that an earlier run made is known by what it was made from. Raises
    RootsError, with the setting's origin, where the roots cannot be had or would be none.
    """
    rests_on = rests_on or Dependencies()
    base = profile.roots.value
    added = profile.ca_cert.value if profile.ca_cert else ()
    if base == "system" and not added:
        return _system(rests_on, use_results=use_results)
    sources = _base(profile.roots, environ, rests_on)
    if profile.ca_cert:
        sources += [_added(path, profile, profile.ca_cert.origin, rests_on) for path in added]
    if not sources:
        raise RootsError(
            f'{profile.roots.origin}: roots = "none" without `ca-cert` trusts nobody',
            hint='name the CA that the index uses: ca-cert = "…"',
        )
    return Roots(base, added, native=False, bundle=_bundle(sources, use_results=use_results))


def read_added(path: Path, profile: Profile, origin: Origin) -> list[bytes]:
    """Return the DER of the certificates in a path of `ca-cert`, which `origin` names."""
    return _added(path, profile, origin, Dependencies()).read()


def _added(path: Path, profile: Profile, origin: Origin, rests_on: Dependencies) -> _Source:
    """Return a file of `ca-cert`, or all PEM files of a directory, as uv reads SSL_CERT_DIR.

    pip looks into a directory for the names alone that `openssl rehash` makes.
    """
    if not path.is_dir():
        what = f"`ca-cert` at {origin}"
        data = stores.read_bundle(path, what, rests_on, code="ca-missing")
        profile.verify(path, data)
        return _Source(data, str(path), origin)
    data = stores.read_directory(path, rests_on)
    profile.verify(path, data)
    name = f"{path}, `ca-cert` at {origin},"
    if not data:
        raise RootsError(
            f"cannot use {name[:-1]}: Is a directory without PEM certificates",
            hint="name a file, or a directory of PEM files",
            code="ca-unrecognised",
        )
    return _Source(data, name)


def with_known_extensions(roots: Roots, known: Collection[str]) -> tuple[Roots, list[str]]:
    """Return the roots without those that have another critical extension, and their names."""
    if roots.bundle is None:
        return roots, []
    certificates = mtls_run.roots.certificates
    every = certificates.read_store(roots.bundle.content, str(roots))
    fine, others = certificates.with_known_extensions(every, known)
    if not others:
        return roots, []
    return replace(roots, bundle=bundle_files.of(certificates.to_pem(fine))), others


def _bundle(sources: Sequence[_Source], *, use_results: bool) -> Bundle:
    """Return all certificates of these sources as one bundle; raises RootsError."""
    digest = sha256()
    for source in sources:
        digest.update(b"store" if source.added is None else b"added")
        digest.update(sha256(source.data).digest())
    made_from = digest.hexdigest()
    known = bundle_files.find(made_from) if use_results else None
    if known is not None:
        return known
    found = [certificate for source in sources for certificate in source.read()]
    made = bundle_files.of(mtls_run.roots.certificates.to_pem(found))
    if use_results:
        bundle_files.remember(made_from, made)
    return made


def _system(rests_on: Dependencies, *, use_results: bool) -> Roots:
    if stores.verifier_is_native():
        return Roots("system", (), native=True)
    path = stores.system_file(rests_on)
    if path is not None:
        return Roots("system", (), native=True, file=path)
    source = _Source(stores.system_content(rests_on), "the system")
    return Roots("system", (), native=True, bundle=_bundle([source], use_results=use_results))


def _base(roots: Setting[str], environ: Mapping[str, str], rests_on: Dependencies) -> list[_Source]:
    if roots.value == "none":
        return []
    if roots.value == "system":
        path = stores.system_file(rests_on)
        name = "the system's roots" if path is None else str(path)
        return [_Source(stores.system_content(rests_on), name)]
    if roots.value == "public":
        import certifi  # noqa: PLC0415 - it costs a Python start

        public = Path(certifi.where())
        return [_Source(stores.read_bundle(public, "certifi's roots", rests_on), str(public))]
    return _from_environment(roots, environ, rests_on)


def _from_environment(
    roots: Setting[str], environ: Mapping[str, str], rests_on: Dependencies
) -> list[_Source]:
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
        data = stores.read_bundle(
            Path(file).absolute(), "which SSL_CERT_FILE names", rests_on, code="variable-broken"
        )
        found.append(_Source(data, f"{file}, which SSL_CERT_FILE names,"))
    for directory in (directories or "").split(os.pathsep):
        data = stores.read_directory(Path(directory), rests_on) if directory else b""
        if data:
            found.append(_Source(data, directory))
    if not found:
        raise RootsError(
            f"{directories}, which SSL_CERT_DIR names, has no certificates",
            hint='name a directory of PEM files, or use roots = "system"',
        )
    return found
