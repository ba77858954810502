"""Google's certificate_config.json, as a profile has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mtls_run.commands import profile_google
from mtls_run.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = {"slot": "0x1739427", "label": "gecc", "module": "/usr/lib/m.so", "user_pin": "hunter2"}


def read(tmp_path: Path, content: object) -> dict[str, Any] | None:
    """Return the values of a file with this content, `cert_configs` if it is a dict."""
    if isinstance(content, dict):
        content = json.dumps({"cert_configs": content, "libs": {}})
    path = tmp_path / "certificate_config.json"
    path.write_text(str(content))
    return profile_google.read(path)


@pytest.mark.parametrize(
    ("configs", "values"),
    [
        (
            {"workload": {"cert_path": "/pki/a.pem", "key_path": "/pki/a.key"}},
            {"client-cert": "/pki/a.pem", "client-key": "/pki/a.key"},
        ),
        (
            {"workload": {"cert_path": "/pki/a.pem", "key_path": "/pki/a.pem"}},
            {"client-cert": "/pki/a.pem"},
        ),
        (
            {"pkcs11": TOKEN},
            {"client-cert": "pkcs11:slot-id=24351783;object=gecc?module-path=/usr/lib/m.so"},
        ),
        (
            {"pkcs11": {"slot": "a", "module": "/usr/lib/m.so"}},
            {"client-cert": "pkcs11:slot-id=10?module-path=/usr/lib/m.so"},
        ),
    ],
)
def test_what_it_names(tmp_path: Path, configs: dict[str, Any], values: dict[str, str]) -> None:
    """It names files, or a key in a token; the PIN in it is left there."""
    assert read(tmp_path, configs) == values


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        ("{", "begins like JSON, but is not JSON"),
        ("{}", "is JSON without `cert_configs`"),
        ('{"cert_configs": [{"pkcs11": {}}]}', "is JSON without `cert_configs`"),
        ({}, "names neither `workload` nor `pkcs11`"),
        ({"macos_keychain": {"issuer": "x"}}, "names a certificate in the macOS keychain"),
        ({"windows_store": {"issuer": "x"}}, "names a certificate in the Windows store"),
        ({"workload": {"cert_path": "/a"}}, "has no text in `workload.key_path`"),
        ({"workload": []}, "has no text in `workload.cert_path`"),
        ({"pkcs11": {**TOKEN, "slot": "slot 1"}}, "`pkcs11.slot` that is not hexadecimal"),
        ({"pkcs11": {**TOKEN, "module": None}}, "has no text in `pkcs11.module`"),
    ],
)
def test_what_names_nothing(tmp_path: Path, content: object, fact: str) -> None:
    """One error names the file and what is wrong in it, and no PIN."""
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, content)
    assert str(tmp_path) in caught.value.fact
    assert fact in caught.value.fact
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "-----BEGIN CERTIFICATE-----\n", "0\x82"])
def test_a_file_of_another_kind(tmp_path: Path, content: str) -> None:
    """A certificate is none of Google's files, and neither is a file that is not there."""
    assert read(tmp_path, content) is None
    assert profile_google.read(tmp_path / "none") is None
