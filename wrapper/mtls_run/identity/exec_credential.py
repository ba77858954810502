"""Read an ExecCredential, as kubectl's credential plugins print it.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
documents the shape: `status` has `clientCertificateData` and `clientKeyData` (PEM) and
`expirationTimestamp` (RFC 3339). Versions v1 and v1beta1 differ in nothing that counts here.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError

if TYPE_CHECKING:
    from typing import Any

_GROUP = "client.authentication.k8s.io/"
_VERSIONS = (f"{_GROUP}v1", f"{_GROUP}v1beta1")
_HINT = (
    'print PEM, or {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
    '"status": {"clientCertificateData": "…", "clientKeyData": "…"}}'
)
CODE = "identity-command-failed"


def is_json(output: bytes) -> bool:
    """Tell whether the output is JSON, by its first byte."""
    return output.lstrip().startswith(b"{")


def check_beginning(output: bytes, where: str) -> None:
    """Raise IdentityError for JSON that text stands before; before PEM it may."""
    if b"-----BEGIN" not in output.split(b"{")[0] and b'"apiVersion"' in output:
        raise _error(f"{where} has text before its JSON")


def read(output: bytes, where: str) -> tuple[bytes, float | None]:
    """Return the PEM in an ExecCredential, and when it expires (seconds since 1970), if it says so.

    `where` names the output. Raises IdentityError, which repeats nothing of the status.
    """
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        raise _error(f"{where} begins like JSON, but is not JSON") from None
    version, kind = found.get("apiVersion"), found.get("kind")
    if kind != "ExecCredential" or version not in _VERSIONS:
        shown = f"`{_short(version)}`, kind `{_short(kind)}`"
        raise _error(f"{where} is JSON of another kind: apiVersion {shown}")
    status = found.get("status")
    if not isinstance(status, dict):
        raise _error(f"{where} is an ExecCredential without a `status`")
    parts = []
    for name in ("clientCertificateData", "clientKeyData"):
        value = status.get(name)
        if not isinstance(value, str) or not value.strip():
            beside = ", but a `token`, which TLS has no use for" if "token" in status else ""
            raise _error(f"{where} is an ExecCredential without `status.{name}`{beside}")
        parts.append(value.encode("utf-8", "surrogatepass").rstrip(b"\n") + b"\n")
    return b"".join(parts), _expiration(status.get("expirationTimestamp"), where)


def _expiration(value: Any, where: str) -> float | None:  # noqa: ANN401 - of JSON
    if value is None:
        return None
    try:
        # Python 3.9 and 3.10 know neither `Z` nor fractions of other than 3 or 6 digits.
        text = re.sub(r"\.\d+", "", str(value)).replace("Z", "+00:00").replace("z", "+00:00")
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _error(f"{where} has an `expirationTimestamp` that is no time of RFC 3339")
    return moment.timestamp()


def _short(value: Any) -> str:  # noqa: ANN401 - of JSON
    return str(value)[:60]


def _error(fact: str) -> IdentityError:
    return IdentityError(fact, hint=_HINT, code=CODE)
