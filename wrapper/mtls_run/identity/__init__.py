"""The identity: read a client certificate and its key, check them, and unlock the key.

A new file format goes into `material`, and a new check into `checks`.
"""

from __future__ import annotations

from mtls_run import import_on_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.identity import kind as kind
    from mtls_run.identity import material as material
    from mtls_run.identity import pkcs7 as pkcs7
    from mtls_run.identity import token as token
else:
    __getattr__ = import_on_use(__name__)
