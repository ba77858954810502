"""`mtls-run profile remove` and `mtls-run profile default`."""

from __future__ import annotations

from mtls_run import terminal
from mtls_run.commands import Context, profile_values, say
from mtls_run.config import document, edit
from mtls_run.config.edit import Keys
from mtls_run.config.layers import Configuration
from mtls_run.config.origin import TYPED
from mtls_run.config.store import ConfigFile, unknown_profile
from mtls_run.errors import ConfigurationError, IdentityError
from mtls_run.identity import source
from mtls_run.identity.material import gather
from mtls_run.passphrase import keyring
from mtls_run.passphrase.sources import FromKeyring


def default(context: Context, name: str) -> None:
    """Make `name` the default profile."""
    profile_values.spelled_name(name)
    file = ConfigFile.find(context.environ)

    def change(content: bytes) -> bytes:
        known = file.configuration(content).profiles
        if name not in known:
            raise unknown_profile(name, known)
        return edit.set_default(content, name)

    file.change(change)
    say(f"profile {name} is the default")


def remove(context: Context, name: str, *, force: bool) -> None:
    """Remove the profile from the user's file, and its passphrase from the keyring.

    Without `force`, ask at a terminal.
    """
    profile_values.spelled_name(name)
    file = ConfigFile.find(context.environ)
    before = file.read() or b""
    configured = file.configuration(before)
    _refuse_absent(file, before, name, configured)
    if not force and terminal.available():
        too = ", and its passphrase from the keyring" if _keeps_in_keyring(configured, name) else ""
        if not terminal.ask_yes(f"remove profile {name}{too}?", default=False):
            say(f"profile {name} stays")
            return
    seen: list[Configuration] = []

    def change(content: bytes) -> bytes:
        configured = file.configuration(content)
        _refuse_absent(file, content, name, configured)
        seen[:] = [configured]
        named: dict[Keys, str] = {}
        if name not in file.system_profiles():  # or the system's profile takes its place
            named = _references(file, content, name)
        if named and not force:
            raise ConfigurationError(
                f"profile {name} is still named at {', '.join(named.values())}",
                hint="name another profile there, or remove these settings too: --force",
            )
        return edit.drop(content, ("profiles", name), *named)

    file.change(change)
    say(f"profile {name} is removed from {file.path}")
    if name in file.system_profiles():
        context.reporter.notice(f"profile {name} is still in {file.system}")
    _forget(context, name, expected=_keeps_in_keyring(seen[0], name))


def _refuse_absent(file: ConfigFile, content: bytes, name: str, configured: Configuration) -> None:
    own = file.own_profiles(content)
    if name in own:
        return
    if name in configured.profiles:
        raise ConfigurationError(
            f"profile {name} is in {file.system}, which mtls-run never writes",
            hint=f"override its keys in your own file: mtls-run profile add {name} …",
        )
    raise unknown_profile(name, own)


def _references(file: ConfigFile, content: bytes, name: str) -> dict[Keys, str]:
    """Return the places in the user's file that name the profile, and the label of each."""
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
    """Return whether the removed profile may have a passphrase in the keyring."""
    try:
        removed = configured.profile(name, TYPED)
    except ConfigurationError:
        return True
    if not isinstance(removed.passphrase.value, FromKeyring) or source.is_printed(removed):
        return False
    try:
        material = gather(removed)
    except IdentityError:
        return True
    return material is not None and material.locked


def _forget(context: Context, name: str, *, expected: bool) -> None:
    """Delete the passphrase; if one is `expected`, a keyring that cannot be used is a notice."""
    try:
        store = keyring.find(context.environ, context.reporter)
        gone = store.forget(name)
    except keyring.KeyringUnusableError as error:
        if expected:
            context.reporter.notice(
                f"{error.fact}; a passphrase for profile {name} may still be stored; "
                f"delete it later: mtls-run passphrase forget {name}"
            )
        return
    if gone:
        say(f"its passphrase is no longer in {store.name}")
    else:
        context.reporter.detail(f"no passphrase for profile {name} was in {store.name}")
