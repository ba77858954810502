"""Where an operating system keeps the roots that it trusts, whatever the environment says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mtls_run.errors import RootsError
from mtls_run.system.files import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.cache.dependencies import Dependencies

# One file with all roots; the order is that of Go's crypto/x509 root_linux.go.
FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL 7 on
    "/etc/ssl/cert.pem",  # Alpine, BSDs
    "/etc/pki/tls/cacert.pem",  # OpenELEC
    "/etc/ssl/certs/ca-bundle.crt",  # NixOS
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)
DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs")
LARGEST = 16 * 1024 * 1024
_KEYCHAINS = (
    "/System/Library/Keychains/SystemRootCertificates.keychain",
    "/Library/Keychains/System.keychain",
)
_NONE_FOUND = 'install ca-certificates, or use the public roots: roots = "public"'


def verifier_is_native() -> bool:
    """Tell whether the system verifies by itself, so that no file stands for its store."""
    return sys.platform in ("darwin", "win32")


def system_file(rests_on: Dependencies, files: Sequence[str] = FILES) -> Path | None:
    """Return the file that has the system's store as a whole, or None where there is none."""
    for name in files:
        path = Path(name)
        try:
            rests_on.status(path)
            if path.is_file() and path.stat().st_size:
                return path
        except OSError:
            continue
    return None


def system_content(
    rests_on: Dependencies,
    files: Sequence[str] = FILES,
    directories: Sequence[str] = DIRECTORIES,
) -> bytes:
    """Return the system's roots as PEM; raises RootsError where there is no store to be found."""
    if sys.platform == "darwin":
        return _exported_from_keychains(rests_on)
    if sys.platform == "win32":
        return _exported_from_windows(rests_on)
    path = system_file(rests_on, files)
    if path is not None:
        return read_bundle(path, "the system's roots", rests_on)
    for name in directories:
        content = read_directory(Path(name), rests_on)
        if content:
            return content
    raise RootsError(
        "this system has no store of trusted roots", hint=_NONE_FOUND, code="roots-no-store"
    )


def read_bundle(
    path: Path, what: str, rests_on: Dependencies, code: str = "roots-no-store"
) -> bytes:
    """Return the bytes of the file; raises RootsError with `what` and `code`."""
    try:
        content = read_file(path, LARGEST)
    except OSError as error:
        raise RootsError(
            f"cannot read {path}, {what}: {error.strerror or error}",
            hint="name a file that is there and that you may read",
            code=code,
        ) from None
    if content is None:
        raise RootsError(
            f"{path}, {what}, is larger than {LARGEST // 1024 // 1024} MiB",
            hint="name a file of certificates",
            code=code,
        )
    rests_on.content(path, content)
    return content


def read_directory(directory: Path, rests_on: Dependencies) -> bytes:
    """Return the PEM of every certificate file in a directory such as SSL_CERT_DIR names."""
    parts = []
    try:
        rests_on.status(directory)
        entries = sorted(directory.iterdir())
    except OSError:
        return b""
    for entry in entries:
        try:
            content = read_file(entry, LARGEST)
        except OSError:
            continue  # a dangling link or a subdirectory is ordinary here
        rests_on.file(entry)
        if content and b"-----BEGIN " in content:
            parts.append(content)
    return b"\n".join(parts)


def _exported_from_keychains(rests_on: Dependencies) -> bytes:
    rests_on.forbid_reuse()  # a program may answer otherwise next time
    command = ["/usr/bin/security", "find-certificate", "-a", "-p", *_KEYCHAINS]
    try:
        found = subprocess.run(command, capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        raise RootsError(
            "cannot export the keychains' roots: `security find-certificate` failed",
            hint=_NONE_FOUND,
            code="roots-no-store",
        ) from None
    return found.stdout


def _exported_from_windows(rests_on: Dependencies) -> bytes:
    import ssl  # noqa: PLC0415 - Windows alone

    rests_on.forbid_reuse()
    parts = []
    for store in ("ROOT", "CA"):
        for der, encoding, _trust in ssl.enum_certificates(store):  # type: ignore[attr-defined,unused-ignore]
            if encoding == "x509_asn":
                parts.append(ssl.DER_cert_to_PEM_cert(der).encode("ascii"))
    if not parts:
        raise RootsError(
            "the Windows certificate stores are empty", hint=_NONE_FOUND, code="roots-no-store"
        )
    return b"".join(parts)
