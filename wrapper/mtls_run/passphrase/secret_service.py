"""A look into the Secret Service without the keyring library, for what is there and unlocked.

Importing keyring costs some five starts of Python, most of them for finding backends. What is asked
here is what its SecretService backend asks, by the same library. Whatever is not as simple as that
(something is locked, missing or fails) is left to keyring, which asks again and can say why.
"""

from __future__ import annotations

from contextlib import closing

# What `get_password` of keyring.backends.SecretService asks for, in its scheme "default".
_SERVICE, _ACCOUNT = "service", "username"
_COLLECTION = "default"


def look_up(service: str, account: str) -> bytes | None:
    """Return the secret kept for `account`, or None where keyring has to be asked.

    Nothing is unlocked and nobody is asked. Raises what secretstorage and its bus raise.
    """
    import secretstorage  # noqa: PLC0415 - Linux alone
    from secretstorage.collection import get_collection_by_alias  # noqa: PLC0415

    with closing(secretstorage.dbus_init()) as bus:
        if not secretstorage.check_service_availability(bus):
            return None
        collection = get_collection_by_alias(bus, _COLLECTION)
        if collection.is_locked():
            return None
        for item in collection.search_items({_SERVICE: service, _ACCOUNT: account}):
            return None if item.is_locked() else bytes(item.get_secret())
    return None
