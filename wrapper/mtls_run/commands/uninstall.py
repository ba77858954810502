"""`mtls-run uninstall`: remove what mtls-run made outside its own installation."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from mtls_run import shells, terminal
from mtls_run.commands import Context, runner, say
from mtls_run.config import layers
from mtls_run.config.origin import DEFAULT
from mtls_run.config.profile import Profile
from mtls_run.errors import MtlsRunError
from mtls_run.identity import remembered
from mtls_run.passphrase import keyring
from mtls_run.passphrase.sources import FromKeyring
from mtls_run.shells import shims, startup
from mtls_run.system import dirs, installer


@click.command(cls=runner.Command)
@click.pass_obj
def uninstall(context: Context) -> int:
    """Remove the shims, the line in a shell's startup file, the cache and the state.

    At a terminal, mtls-run asks before it removes stored passphrases and your configuration;
    elsewhere they stay. It prints what it leaves, and how to remove mtls-run itself.
    """
    is_complete = _remove_shims(context)
    is_complete &= _remove_lines(context)
    # Passphrases first: the configuration names them.
    left = [*_remove_passphrases(context), *_remove_configuration(context)]
    if count := remembered.forget():
        say(f"forgot {count} unlocked identit{'y' if count == 1 else 'ies'}")
    folders = [dirs.user("cache"), dirs.user("state")]
    if installer.UNPACKED is not None:
        folders.insert(0, installer.UNPACKED)  # not in the cache if the home was read-only
    for folder in folders:
        is_complete &= _remove_folder(Path(folder), context)
    for thing in left:
        say(f"left {thing}")
    say(f"to remove mtls-run itself: {installer.remove_command()}")
    return 0 if is_complete else 1


run = runner.entry(uninstall)


def _remove_shims(context: Context) -> bool:
    """Remove the shims in mtls-run's own directory and on PATH; tell whether all are gone."""
    is_complete = True
    folders = {shim.path.parent for shim in shims.survey(shells.folder(), context.environ)}
    for folder in sorted(folders):
        try:
            for path in shims.remove(folder, ()):
                say(f"removed {path}")
        except MtlsRunError as error:
            context.reporter.error(error)
            is_complete = False
    return is_complete


def _remove_lines(context: Context) -> bool:
    """Remove mtls-run's lines from startup files; tell whether that was possible."""
    is_complete = True
    for file in startup.find(context.environ):
        if file.ours:
            try:
                file.remove_ours()
            except OSError as error:
                fact = f"cannot write {file.path}: {error.strerror}"
                hint = f"remove line {file.ours[0]} of it yourself"
                context.reporter.error(MtlsRunError(fact, hint=hint))
                is_complete = False
                continue
            say(f"removed the line of mtls-run in {file.path}")
        elif file.others:
            context.reporter.notice(f"{file.path}:{file.others[0]} mentions mtls-run; it stays")
    return is_complete


def _remove_passphrases(context: Context) -> list[str]:
    """Remove the passphrases of all profiles if the user agrees; return what stays."""
    try:
        configured = layers.load(context.environ)
        profiles = [configured.profile(name, DEFAULT) for name in configured.profiles]
        accounts = {
            part.account for profile in profiles for part in _parts(profile) if _is_kept(part)
        }
        if not accounts:
            return []
        store = keyring.find(context.environ, context.reporter)
    except MtlsRunError as error:
        context.reporter.detail(error.fact)
        return ['what a keyring may hold under the service "mtls-run": it cannot be read here']
    stored = sorted(account for account in accounts if store.get(account) is not None)
    if not stored:
        return []
    shown = f"the passphrase{'s' if len(stored) > 1 else ''} of {', '.join(stored)} in {store.name}"
    if not _agrees(f"remove {shown}?"):
        return [shown]
    for account in stored:
        store.forget(account)
    say(f"removed {shown}")
    return []


def _parts(profile: Profile) -> tuple[Profile, ...]:
    return (profile, *profile.identities)


def _is_kept(profile: Profile) -> bool:
    return profile.client_cert is not None and isinstance(profile.passphrase.value, FromKeyring)


def _remove_configuration(context: Context) -> list[str]:
    """Remove the user's configuration if the user agrees; return what stays."""
    path = layers.user_file(context.environ).value
    if not path.exists():
        return []
    if not _agrees(f"remove your configuration, {path}?"):
        return [str(path)]
    try:
        path.unlink()
        say(f"removed {path}")
        if path.parent == Path(dirs.user("config")):
            path.parent.rmdir()
    except OSError as error:
        return [f"{error.filename}: {error.strerror}"]
    return []


def _agrees(question: str) -> bool:
    return terminal.available() and terminal.ask_yes(question, default=False)


def _remove_folder(folder: Path, context: Context) -> bool:
    """Remove a directory of mtls-run; tell whether it is gone."""
    if folder.is_symlink() or not folder.is_dir():
        return True
    try:
        shutil.rmtree(folder)
    except OSError as error:
        fact = f"cannot remove {error.filename}: {error.strerror}"
        context.reporter.error(MtlsRunError(fact, hint=f"check its owner: ls -l {folder}"))
        return False
    say(f"removed {folder}")
    return True
