"""`mtls-run profile remove` and `default`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.commands import profile_values
from mtls_run.commands.profile_show import say
from mtls_run.config import document
from mtls_run.config import edit as editing
from mtls_run.config.origin import Origin
from mtls_run.config.store import ConfigFile, unknown_profile
from mtls_run.errors import ConfigurationError, IdentityError
from mtls_run.identity.material import gather
from mtls_run.passphrase import keyring
from mtls_run.passphrase.sources import FromKeyring

if TYPE_CHECKING:
    from mtls_run.commands import Context
    from mtls_run.config.edit import Keys
    from mtls_run.config.layers import Configuration


def default(context: Context, name: str) -> None:
    """Make `name` the default profile."""
    profile_values.spelled_name(name)
    file = ConfigFile.find(context.environ)

    def edit(content: bytes) -> bytes:
        known = file.configuration(content).profiles
        if name not in known:
            raise unknown_profile(name, known)
        return editing.set_default(content, name)

    file.change(edit)
    say(f"profile {name} is the default")


def remove(context: Context, name: str, *, force: bool) -> None:
    """Remove the profile from the user's file, and its passphrase from the keyring."""
    profile_values.spelled_name(name)
    file = ConfigFile.find(context.environ)
    seen: list[Configuration] = []

    def edit(content: bytes) -> bytes:
        configured = file.configuration(content)
        _refuse_absent(file, content, name, configured)
        seen[:] = [configured]
        named: dict[Keys, str] = {}
        if name not in file.system_profiles():  # whose profile would take its place
            named = _namings(file, content, name)
        if named and not force:
            raise ConfigurationError(
                f"profile {name} is still named at {', '.join(named.values())}",
                hint="name another one there; or --force, which takes these away too",
            )
        return editing.drop(content, ("profiles", name), *named)

    file.change(edit)
    say(f"profile {name} is removed from {file.path}")
    if name in file.system_profiles():
        context.reporter.notice(f"profile {name} of {file.system} is still there")
    _forget(context, name, expected=_keeps_in_keyring(seen[0], name))


def _refuse_absent(file: ConfigFile, content: bytes, name: str, configured: Configuration) -> None:
    own = file.own_profiles(content)
    if name in own:
        return
    if name in configured.profiles:
        raise ConfigurationError(
            f"profile {name} is in {file.system}, which mtls-run never writes",
            hint=f"mtls-run profile add {name} … lays another over it",
        )
    raise unknown_profile(name, own)


def _namings(file: ConfigFile, content: bytes, name: str) -> dict[Keys, str]:
    """Return where the user's file names the profile, and what to call each place."""
    source = document.parse(file.path, content)
    found: list[Keys] = []
    if source.tables.get("default-profile") == name:
        found.append(("default-profile",))
    for index, entry in enumerate(source.tables.get("directories", [])):
        if entry["profile"] == name:
            found.append(("directories", index))
    for other, table in source.tables.get("profiles", {}).items():
        if other != name and table.get("extends") == name:
            found.append(("profiles", other, "extends"))
    return {keys: f"{source.origin(*keys)} (`{_word(keys)}`)" for keys in found}


def _word(keys: Keys) -> str:
    return "[[directories]]" if keys[0] == "directories" else str(keys[-1])


def _keeps_in_keyring(configured: Configuration, name: str) -> bool:
    """Tell whether the profile, as it was, would have had its passphrase in the keyring."""
    try:
        was = configured.profile(name, Origin("NAME"))
    except ConfigurationError:
        return True
    if not isinstance(was.passphrase.value, FromKeyring):
        return False
    try:
        material = gather(was)
    except IdentityError:
        return True
    return material is not None and material.locked


def _forget(context: Context, name: str, *, expected: bool) -> None:
    """Forget the passphrase; a keyring that is not to be had is a notice where one is expected."""
    try:
        store = keyring.find(context.environ, context.reporter)
        gone = store.forget(name)
    except keyring.KeyringUnusableError as error:
        if expected:
            context.reporter.notice(
                f"{error.fact}; a passphrase that it has for profile {name} is still there; "
                f"later: mtls-run passphrase forget {name}"
            )
        return
    if gone:
        say(f"its passphrase is no longer in {store.name}")
    else:
        context.reporter.detail(f"no passphrase for profile {name} was in {store.name}")
