"""The roots: exactly one set for each profile, kept as a bundle that is named by its content."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import time
import warnings
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from mtls_run.cache.dependencies import Dependencies, unchanged
from mtls_run.errors import RootsError
from mtls_run.roots import bundle, certificates, stores
from mtls_run.roots import resolve as roots
from tests.pki import Authority
from tests.unit.support import profile, working_in

ONE, TWO, THREE = (Authority.create(name) for name in ("One", "Two", "Three"))


def ders(pem: bytes) -> list[bytes]:
    """Return each certificate in the PEM, parsed, as DER."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # public roots have odd serial numbers
        found = x509.load_pem_x509_certificates(pem)
    return [certificate.public_bytes(Encoding.DER) for certificate in found]


def kept(tmp_path: Path, name: str, content: bytes) -> Path:
    """Write a file and return its path."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def resolved(
    base: str, *added: Path, environ: dict[str, str] | None = None, use_results: bool = True
) -> roots.Roots:
    """Return the roots of a profile with this base and these CA files."""
    chosen = profile(roots=base, ca_cert=added or None)
    return roots.resolve(chosen, environ or {}, use_results=use_results)


def used(found: roots.Roots) -> bytes:
    """Return the bundle that a tool is handed."""
    return Path(delivered(found)).read_bytes()


def delivered(found: roots.Roots) -> str:
    """Return the path at which a tool is handed the roots."""
    path = bundle.deliver(found, Dependencies())
    assert path is not None
    return path


def stored(pem: bytes) -> Path:
    """Return the file of a bundle with this content, which a run has just handed on."""
    return Path(delivered(roots.Roots("none", (), native=False, bundle=bundle.of(pem))))


# --- the four bases


def test_none(tmp_path: Path) -> None:
    """`none` with CA files is exactly these, each once, in their order."""
    files = [
        kept(tmp_path, "a.pem", TWO.pem + ONE.pem),
        kept(tmp_path, "b.der", THREE.der),
        kept(tmp_path, "c.pem", ONE.pem),
    ]
    found = resolved("none", *files)
    assert found.bundle is not None
    assert ders(found.bundle.content) == [TWO.der, ONE.der, THREE.der]
    assert (found.base, found.added, found.native, found.file) == (
        "none",
        tuple(files),
        False,
        None,
    )


def test_none_without_ca_cert() -> None:
    """`none` without a CA trusts nobody, which is an error."""
    with pytest.raises(
        RootsError, match=r'^the test: roots = "none" without `ca-cert` trusts nobody'
    ):
        resolved("none")
    with pytest.raises(RootsError, match="trusts nobody"):
        roots.resolve(profile(roots="none", ca_cert=()), {})


def test_system() -> None:
    """`system` by itself is the system's own file, and uv's native setting."""
    found = resolved("system", environ={"SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere"})
    assert found.native
    assert found.file == stores.system_file(Dependencies())
    assert found.bundle is None


def test_system_with_ca(tmp_path: Path) -> None:
    """`system` with a CA is the whole store and that CA, and no longer uv's native setting."""
    found = resolved("system", kept(tmp_path, "ca.pem", ONE.pem))
    store = stores.system_file(Dependencies())
    assert store is not None
    assert found.bundle is not None
    assert (found.native, found.file) == (False, None)
    assert ders(found.bundle.content) == [*dict.fromkeys(ders(store.read_bytes())), ONE.der]


def test_public(tmp_path: Path) -> None:
    """`public` is certifi's set, whatever the system and the environment have."""
    public = list(dict.fromkeys(ders(Path(certifi.where()).read_bytes())))
    alone = resolved("public", environ={"SSL_CERT_FILE": "/nowhere"})
    assert alone.bundle is not None
    assert ders(alone.bundle.content) == public
    assert not alone.native
    more = resolved("public", kept(tmp_path, "ca.pem", ONE.pem))
    assert more.bundle is not None
    assert ders(more.bundle.content) == [*public, ONE.der]


def test_environment(tmp_path: Path) -> None:
    """`environment` is what SSL_CERT_FILE and SSL_CERT_DIR name, together, and the added CA."""
    file = kept(tmp_path, "file.pem", ONE.pem)
    folder = kept(tmp_path, "dir/two.pem", TWO.pem).parent
    (folder / "dangling").symlink_to("nowhere")
    (folder / "sub").mkdir()
    kept(tmp_path, "dir/README", b"not a certificate")
    other = kept(tmp_path, "other/three.crt", THREE.pem + ONE.pem).parent
    for environ, expected in (
        ({"SSL_CERT_FILE": str(file)}, [ONE.der]),
        ({"SSL_CERT_DIR": str(folder)}, [TWO.der]),
        ({"SSL_CERT_DIR": f"{folder}:{other}"}, [TWO.der, THREE.der, ONE.der]),
        ({"SSL_CERT_DIR": f":{folder}:/nowhere"}, [TWO.der]),
        ({"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(folder)}, [ONE.der, TWO.der]),
        ({"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": ""}, [ONE.der]),
    ):
        found = resolved("environment", environ=environ)
        assert found.bundle is not None
        assert ders(found.bundle.content) == expected
        assert not found.native
    added = resolved("environment", file, environ={"SSL_CERT_DIR": str(folder)})
    assert added.bundle is not None
    assert ders(added.bundle.content) == [TWO.der, ONE.der]


def test_environment_by_relative_paths(tmp_path: Path) -> None:
    """What the variables name is relative to the current directory, as it is to OpenSSL."""
    kept(tmp_path, "file.pem", ONE.pem)
    with working_in(tmp_path):
        found = resolved("environment", environ={"SSL_CERT_FILE": "file.pem"})
    assert found.bundle is not None
    assert ders(found.bundle.content) == [ONE.der]


def test_environment_that_is_broken(tmp_path: Path) -> None:
    """Variables that are unset, or name nothing that can be read, are errors that say which."""
    empty = tmp_path / "empty"
    empty.mkdir()
    text = kept(tmp_path, "text", b"no certificate")
    none = str(tmp_path / "none")
    for environ, words in (
        ({}, 'the test: roots = "environment", but neither SSL_CERT_FILE nor SSL_CERT_DIR is set'),
        ({"SSL_CERT_FILE": ""}, "neither SSL_CERT_FILE nor SSL_CERT_DIR is set"),
        ({"SSL_CERT_FILE": none}, f"{none}, which SSL_CERT_FILE names: No such file"),
        ({"SSL_CERT_FILE": str(empty)}, "which SSL_CERT_FILE names: Is a directory"),
        ({"SSL_CERT_FILE": str(text)}, "which SSL_CERT_FILE names, has no certificates"),
        ({"SSL_CERT_DIR": str(empty)}, "which SSL_CERT_DIR names, has no certificates"),
        ({"SSL_CERT_DIR": none}, "which SSL_CERT_DIR names, has no certificates"),
    ):
        with pytest.raises(RootsError) as caught:
            resolved("environment", environ=environ)
        assert words in caught.value.fact


def test_trusted_certificates_in_a_store(tmp_path: Path) -> None:
    """OpenSSL's TRUSTED CERTIFICATE in a store becomes a certificate that every tool parses."""
    done = subprocess.run(
        ["openssl", "x509", "-trustout", "-addtrust", "serverAuth"],
        input=ONE.pem,
        capture_output=True,
        check=True,
    )
    path = kept(tmp_path, "store.pem", done.stdout + TWO.pem)
    found = resolved("environment", environ={"SSL_CERT_FILE": str(path)})
    assert found.bundle is not None
    assert ders(found.bundle.content) == [ONE.der, TWO.der]


def test_damaged_certificate_in_a_store(tmp_path: Path) -> None:
    """A damaged certificate in a store is left out: uv 0.12 would trust nothing at all."""
    nonsense = base64.b64encode(os.urandom(300))
    no_certificate = base64.b64encode(b"\x30\x04\x30\x02\x05\x00")
    damaged = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
    texts = (nonsense, b"not!base64", no_certificate)
    cut_off = TWO.pem[:-30] + b"\n"
    content = b"".join(damaged % text for text in texts) + cut_off + ONE.pem
    path = kept(tmp_path, "store.pem", content)
    found = resolved("environment", environ={"SSL_CERT_FILE": str(path)})
    assert found.bundle is not None
    assert ders(found.bundle.content) == [ONE.der]


# --- CA files


@pytest.mark.parametrize(
    "content",
    [
        ONE.pem,
        ONE.der,
        ONE.pem.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + ONE.pem,
        ONE.pem.decode().encode("utf-16"),
        b"Subject: \xe9\n" + ONE.pem + b"end",
        b"  " + ONE.pem.replace(b"\n", b"\n  "),
    ],
    ids=["PEM", "DER", "CRLF", "BOM", "UTF-16", "text", "indented"],
)
def test_ca_file(tmp_path: Path, content: bytes) -> None:
    """A CA in any accepted form is handed on as clean PEM."""
    found = resolved("none", kept(tmp_path, "ca", content))
    assert found.bundle is not None
    assert found.bundle.content == certificates.to_pem([ONE.der])
    assert ders(found.bundle.content) == [ONE.der]


def test_wrong_ca_files(tmp_path: Path) -> None:
    """A CA file without certificates is an error that names it and says what it holds."""
    alice = ONE.issue("alice")
    message = pkcs7.serialize_certificates([ONE.certificate], Encoding.DER)
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    kept(tmp_path, "huge", b"x" * (17 * 1024 * 1024))
    for name, content, words in (
        ("empty", b"", "is empty"),
        ("key", alice.key_pem(), "has no certificate; it holds: private key"),
        ("locked", alice.key_pem("x"), "has no certificate; it holds: encrypted private key"),
        ("p12", alice.p12(None), "has no certificate; it holds: PKCS#12"),
        (
            "request",
            b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
            "it holds: nothing of use",
        ),
        ("p7b", message, "is PKCS#7"),
        ("garbage", b"garbage", "is neither PEM, DER nor PKCS#12"),
        ("cut", ONE.pem[:-30], "is cut off"),
        ("damaged", ONE.pem[:200] + ONE.pem[260:], "is "),
        ("missing", None, "No such file or directory"),
        ("fifo", None, "it is not a regular file"),
        ("folder", None, "Is a directory"),
        ("huge", None, "is larger than 16 MiB"),
    ):
        path = tmp_path / name
        if content is not None:
            kept(tmp_path, name, content)
        with pytest.raises(RootsError) as caught:
            resolved("none", kept(tmp_path, "good", TWO.pem), path)
        assert str(path) in caught.value.fact
        assert words in caught.value.fact
        assert "`ca-cert` at the test" in caught.value.fact


# --- the system's store


def test_store_as_file(tmp_path: Path) -> None:
    """The first file that is there and not empty is the store."""
    empty, store = kept(tmp_path, "empty", b""), kept(tmp_path, "store", ONE.pem)
    files = [str(tmp_path / "none"), str(tmp_path), str(empty), str(store)]
    assert stores.system_file(Dependencies(), files) == store
    assert stores.system_content(Dependencies(), files, []) == ONE.pem


def test_store_as_directory(tmp_path: Path) -> None:
    """Without a file it is the first directory with certificates."""
    kept(tmp_path, "certs/one.pem", ONE.pem)
    kept(tmp_path, "certs/two.pem", TWO.pem)
    (tmp_path / "void").mkdir()
    folders = [str(tmp_path / "none"), str(tmp_path / "void"), str(tmp_path / "certs")]
    assert ders(stores.system_content(Dependencies(), [], folders)) == [ONE.der, TWO.der]


def test_no_store(tmp_path: Path) -> None:
    """Without either it is an error that names the public roots."""
    with pytest.raises(RootsError, match="this system has no store") as caught:
        stores.system_content(Dependencies(), [str(tmp_path / "none")], [str(tmp_path / "none")])
    assert 'roots = "public"' in (caught.value.hint or "")


# --- the bundle in the cache


def test_bundle(tmp_path: Path) -> None:
    """A bundle is a private file, in a private directory, named by its content."""
    path = stored(ONE.pem)
    assert path.read_bytes() == ONE.pem
    assert path.is_relative_to(tmp_path / "cache/mtls-run")
    assert stored(ONE.pem) == path
    assert stored(TWO.pem) != path
    assert sorted(entry.name for entry in path.parent.iterdir()) == sorted(
        {bundle.of(ONE.pem).name, bundle.of(TWO.pem).name}
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "content",
    [b"", TWO.pem, ONE.pem + TWO.pem, ONE.pem[:-1], ONE.pem.replace(b"M", b"N", 1)],
    ids=["empty", "another", "one more", "cut off", "changed"],
)
def test_tampered_bundle_is_not_believed(content: bytes) -> None:
    """A file of the right name with another content is written anew."""
    path = stored(ONE.pem)
    path.write_bytes(content)
    assert stored(ONE.pem).read_bytes() == ONE.pem


def test_bundle_made_before(tmp_path: Path) -> None:
    """What the same bytes made before is used again; other bytes make another bundle."""
    path = kept(tmp_path, "ca.pem", ONE.pem + TWO.pem)
    first = resolved("public", path)
    delivered(first)
    assert first.bundle is not None
    assert resolved("public", path) == resolved("public", path, use_results=False) == first
    path.write_bytes(ONE.pem)
    other = resolved("public", path)
    assert other.bundle is not None
    assert ders(other.bundle.content) == ders(first.bundle.content)[:-1]


@pytest.mark.parametrize(
    "content",
    [None, b"", TWO.pem, ONE.pem + b"\n"],
    ids=["gone", "empty", "another", "one line more"],
)
def test_bundle_made_before_and_changed(tmp_path: Path, content: bytes | None) -> None:
    """A bundle that is not what it was is made again from its sources."""
    path = kept(tmp_path, "ca.pem", ONE.pem)
    first = resolved("none", path)
    handed = Path(delivered(first))
    if content is None:
        handed.unlink()
    else:
        handed.write_bytes(content)
    again = resolved("none", path)
    assert again == first
    assert used(again) == ONE.pem


def test_a_store_that_changes_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run uses what the store holds then, also where its status is the same."""
    store = kept(tmp_path, "store.pem", ONE.pem)
    monkeypatch.setattr(certifi, "where", lambda: str(store))
    assert used(resolved("public")) == ONE.pem
    for other in (TWO, THREE):
        before = store.stat()
        store.write_bytes(other.pem)
        os.utime(store, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert used(resolved("public")) == other.pem
    store.unlink()
    with pytest.raises(RootsError, match=r"cannot read .*store\.pem, certifi's roots"):
        resolved("public")


def rests_on(base: str, *added: Path, **environ: str) -> Dependencies:
    """Return what the roots of such a profile rest on, once they are delivered."""
    found = Dependencies()
    made = roots.resolve(profile(roots=base, ca_cert=added or None), environ, found)
    bundle.deliver(made, found)
    return found


def is_unchanged(found: Dependencies) -> bool:
    """Tell whether all of it is as it was."""
    return unchanged((kind, path, state) for (kind, path), state in found.states.items())


def test_what_roots_rest_on(tmp_path: Path) -> None:
    """A CA file, a certificate in SSL_CERT_DIR and the bundle: any change is told."""
    ca = kept(tmp_path, "ca.pem", ONE.pem)
    folder = kept(tmp_path, "dir/two.pem", TWO.pem).parent
    long_ago = time.time() - 60
    for change in (
        lambda: ca.write_bytes(THREE.pem),
        lambda: kept(tmp_path, "dir/two.pem", THREE.pem),
        lambda: kept(tmp_path, "dir/three.pem", THREE.pem),
        (folder / "two.pem").unlink,
        lambda: stored(ONE.pem + TWO.pem).parent.rename(tmp_path / "gone"),
    ):
        ca.write_bytes(ONE.pem)
        kept(tmp_path, "dir/two.pem", TWO.pem)
        (folder / "three.pem").unlink(missing_ok=True)
        os.utime(folder, (long_ago, long_ago))
        found = rests_on("environment", ca, SSL_CERT_DIR=str(folder))
        assert is_unchanged(found)
        change()
        assert not is_unchanged(found)


def test_a_bundle_in_use_is_marked_so(tmp_path: Path) -> None:
    """It is marked once a day, and is the same bundle afterwards."""
    path = kept(tmp_path, "ca.pem", ONE.pem)
    file = Path(delivered(resolved("none", path)))
    days_ago = time.time() - 3 * 86400
    os.utime(file, (days_ago, days_ago))
    assert used(resolved("none", path)) == ONE.pem
    assert file.stat().st_mtime > days_ago + 86400


def test_bundle_is_never_half_written() -> None:
    """It comes into place whole: who has the old file open goes on reading that."""
    path = stored(ONE.pem)
    path.write_bytes(b"half")
    with path.open("rb") as before:
        stored(ONE.pem)
        assert before.read() == b"half"
    assert path.read_bytes() == ONE.pem


def test_bundle_in_place_of_a_link(tmp_path: Path) -> None:
    """A link in its place is replaced, and what it leads to is not written to."""
    path = stored(ONE.pem)
    victim = kept(tmp_path, "victim", b"mine")
    path.unlink()
    path.symlink_to(victim)
    assert stored(ONE.pem).read_bytes() == ONE.pem
    assert victim.read_bytes() == b"mine"
    assert not path.is_symlink()


def test_open_cache_is_closed() -> None:
    """A cache directory that others may enter is made private before it is used."""
    path = stored(ONE.pem)
    path.parent.chmod(0o755)
    path.parent.parent.chmod(0o777)
    stored(ONE.pem)
    for folder in (path.parent, path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_old_bundles_are_dropped() -> None:
    """A bundle that no run has used for two months goes, one that is used stays."""
    old, used = stored(ONE.pem), stored(TWO.pem)
    long_ago = time.time() - 61 * 86400
    os.utime(old, (long_ago, long_ago))
    os.utime(used, (long_ago, long_ago))
    stored(TWO.pem)
    assert time.time() - used.stat().st_mtime < 60
    stored(THREE.pem)
    assert not old.exists()
    assert used.exists()


def test_cache_that_cannot_be_had(tmp_path: Path) -> None:
    """Where a file is in the cache's place, the tool is handed a bundle in memory, for this run."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/mtls-run").write_text("")
    made = roots.Roots("none", (), native=False, bundle=bundle.of(ONE.pem))
    found = Dependencies()
    path = bundle.deliver(made, found)
    assert path is not None
    assert path.startswith("/proc/")
    assert Path(path).read_bytes() == ONE.pem
    assert not found.reusable
