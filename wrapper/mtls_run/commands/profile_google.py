"""Read Google's `certificate_config.json`, for `mtls-run profile import --from FILE`.

Google's clients (google-auth 2.63, `transport/_mtls_helper.py`) read `workload`, the paths of a
certificate and its key. Enterprise Certificate Proxy (`internal/signer/linux`) reads `pkcs11`: the
module, the slot in hexadecimal, and the label of certificate and key.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mtls_run.commands import profile_values
from mtls_run.config.edit import Values
from mtls_run.errors import ConfigurationError
from mtls_run.identity.exec_credential import is_json
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.identity.source import LARGEST
from mtls_run.system.files import read_file

_ELSEWHERE = {"macos_keychain": "the macOS keychain", "windows_store": "the Windows store"}


def read(path: Path) -> Values | None:
    """Return the keys of a profile for this file, or None where it is no JSON.

    The PIN that may stand in it is not taken. Raises ConfigurationError for JSON of another kind.
    """
    try:
        content = read_file(path, LARGEST)
    except OSError:
        return None  # the check of the profile says so
    if content is None or not is_json(content):
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _error(path, "begins like JSON, but is not JSON") from None
    configs = found.get("cert_configs")
    if not isinstance(configs, dict):
        raise _error(path, "is JSON without `cert_configs`")
    if "workload" in configs:
        named = [_text(path, configs, "workload", key) for key in ("cert_path", "key_path")]
        paths = [profile_values.written(one) for one in dict.fromkeys(named)]
        return dict(zip(("client-cert", "client-key"), paths))
    if "pkcs11" in configs:
        return {"client-cert": str(_uri(path, configs))}
    where = [place for key, place in _ELSEWHERE.items() if key in configs]
    if where:
        raise _error(path, f"names a certificate in {where[0]}, which mtls-run cannot use")
    raise _error(path, "names neither `workload` nor `pkcs11` in `cert_configs`")


def _uri(path: Path, configs: dict[str, Any]) -> Pkcs11Uri:
    slot = _text(path, configs, "pkcs11", "slot")
    try:
        number = int(slot, 16)
    except ValueError:
        raise _error(path, "has a `pkcs11.slot` that is not hexadecimal") from None
    label = configs["pkcs11"].get("label")
    module = os.path.expanduser(_text(path, configs, "pkcs11", "module"))
    return Pkcs11Uri(slot_id=number, object=str(label) if label else None, module_path=module)


def _text(path: Path, configs: dict[str, Any], name: str, key: str) -> str:
    section = configs[name]
    value = section.get(key) if isinstance(section, dict) else None
    if not isinstance(value, str) or not value:
        raise _error(path, f"has no text in `{name}.{key}`")
    return value


def _error(path: Path, fact: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} {fact}",
        hint="name a certificate, or a certificate_config.json that gcloud wrote",
    )
