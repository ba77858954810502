"""A key goes from memory into a TLS context, on every system."""

from __future__ import annotations

import errno
import os
import ssl
import tempfile
from typing import TYPE_CHECKING

import pytest

from mtls_run.errors import HandoffError
from mtls_run.handoff.gateway import contexts
from mtls_run.secret import Secret
from tests.pki import Authority

if TYPE_CHECKING:
    from pathlib import Path

ISSUED = Authority.create("Root").intermediate("Issuer").issue("alice")


@pytest.mark.parametrize("order", ["leaf-chain-key", "key-leaf-chain"])
def test_a_private_file_where_memory_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    """The file's key is encrypted, and the file is gone afterwards."""
    seen: list[bytes] = []
    load = ssl.SSLContext.load_cert_chain

    def look(context: ssl.SSLContext, path: str, *rest: object, **named: object) -> None:
        with open(path, "rb") as file:
            seen.append(file.read())
        load(context, path, *rest, **named)  # type: ignore[arg-type]

    def refuse(*_: object) -> int:
        raise OSError(errno.EACCES, "refused")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", look)
    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = set(tmp_path.iterdir())
    contexts.load_pem(ssl.create_default_context(), Secret(ISSUED.pem(order=order)))
    assert set(tmp_path.iterdir()) == left
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in seen[0]
    assert seen[0].count(b"BEGIN CERTIFICATE") == 2
    assert not any(trace in seen[0] for trace in ISSUED.traces)


def test_memory_leaves_no_descriptor() -> None:
    """The anonymous file is closed once the key is loaded."""
    before = os.listdir("/proc/self/fd")
    contexts.load_pem(ssl.create_default_context(), Secret(ISSUED.pem()))
    assert os.listdir("/proc/self/fd") == before


def test_what_is_no_identity() -> None:
    """The error does not quote what it could not read."""
    with pytest.raises(HandoffError, match="cannot load the identity") as raised:
        contexts.load_pem(ssl.create_default_context(), Secret(b"top secret"))
    assert "top secret" not in str(raised.value)
