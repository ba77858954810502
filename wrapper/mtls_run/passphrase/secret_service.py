"""Look up a passphrase in the Secret Service without importing keyring.

Importing keyring costs some five starts of Python, most of it to find backends. This asks what its
SecretService backend asks, by the same library. Where something is locked, missing or fails,
keyring has to ask again and can say why.
"""

from __future__ import annotations

from contextlib import closing

import secretstorage
from secretstorage.collection import get_collection_by_alias

# The attributes that `get_password` of keyring.backends.SecretService asks for, scheme "default".
_SERVICE, _ACCOUNT = "service", "username"
_COLLECTION = "default"


def look_up(service: str, account: str) -> bytes | None:
    """Return the secret of `account`, or None where keyring has to be asked.

    This unlocks nothing and opens no dialog. Raises what secretstorage and the bus raise.
    """
    with closing(secretstorage.dbus_init()) as bus:
        if not secretstorage.check_service_availability(bus):
            return None
        collection = get_collection_by_alias(bus, _COLLECTION)
        if collection.is_locked():
            return None
        for item in collection.search_items({_SERVICE: service, _ACCOUNT: account}):
            return None if item.is_locked() else bytes(item.get_secret())
    return None
