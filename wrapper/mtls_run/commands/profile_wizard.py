"""The questions of `mtls-run profile add` at a terminal, and the proof at the index.

What is wrong with an answer is said, and the question comes again. Enter alone goes on without.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mtls_run import terminal
from mtls_run.commands import Context, profile_check, profile_values
from mtls_run.config import pip_settings, profile
from mtls_run.config.edit import Values
from mtls_run.config.layers import Configuration
from mtls_run.config.origin import Origin
from mtls_run.config.profile import Profile
from mtls_run.config.store import ConfigFile
from mtls_run.doctor import indexes, installed_tools, roots_report
from mtls_run.doctor.diagnosis import diagnose
from mtls_run.doctor.findings import Finding
from mtls_run.doctor.identity_report import IdentityReport
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.inspection import Inspection
from mtls_run.doctor.machine import Machine
from mtls_run.doctor.tool_verdicts import Tools
from mtls_run.errors import MtlsRunError, UsageError
from mtls_run.identity.material import Identity, gather
from mtls_run.identity.pkcs11_uri import is_uri
from mtls_run.identity.validity import utc_now
from mtls_run.output.text import quoted
from mtls_run.system.files import current_directory
from mtls_run.tools import which
from mtls_run.tools.base import PipScope

_TIMEOUT = 5.0
_FIRST_NAME = "corp"
_OF_THE_CA = ("server-unknown-ca", "server-chain-incomplete", "ca-", "roots-")


@dataclass
class Draft:
    """A profile that is being made. `asked` are the keys that a person answered for.

    `origins` has the origins of values that no option gave. `next` is the command to run next.
    """

    name: str
    values: Values
    file: ConfigFile
    configured: Configuration
    origins: dict[str, Origin] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    next: str = ""

    def candidate(self) -> Profile:
        """Return the profile, laid over the system's of that name and those it extends."""
        said = profile_values.said(self.values, self.origins)
        tables = dict(self.configured.profiles)
        own = self.file.system_profiles().get(self.name, {})
        tables[self.name] = profile.overlay(own, said)
        return profile.build(self.name, profile.resolve(self.name, tables), Origin("NAME"))

    def answer(self, key: str, typed: str) -> None:
        """Take what was typed for this key; raises MtlsRunError for a path that cannot be kept."""
        self.values[key] = typed if is_uri(typed) else profile_values.written(typed)
        self.asked.add(key)

    def forget(self, *keys: str) -> None:
        """Forget the answers for these keys, so that they are asked for again."""
        for key in self.asked.intersection(keys):
            self.asked.discard(key)
            self.values.pop(key, None)
            self.origins.pop(key, None)


def ask_name(file: ConfigFile) -> str:
    """Return a name that no profile of the user's file has."""
    taken = file.own_profiles(file.read())
    offered = "" if _FIRST_NAME in taken else _FIRST_NAME
    while True:
        enter = f" (Enter: {offered})" if offered else ""
        typed = terminal.ask_line(f"name of the profile{enter}") or offered
        if not typed:
            raise UsageError("the profile has no name", hint="mtls-run profile add NAME")
        try:
            profile_values.spelled_name(typed)
        except MtlsRunError as error:
            terminal.tell(error.fact)
            continue
        if typed not in taken:
            return typed
        terminal.tell(f"profile {typed} is already in {file.path}")


def ask_identity(draft: Draft, context: Context) -> None:
    """Ask for the certificate and its key until they fit, where no option names them."""
    if "client-cert" in draft.values or _takes_pips(draft, context):
        _ask_key(draft)
        return
    while True:
        typed = terminal.ask_path("client certificate (a file; Enter: none)")
        if not typed:
            return
        try:
            draft.answer("client-cert", typed)
            if is_uri(typed):
                return
            _ask_key(draft)
            material = gather(draft.candidate())
            if material is not None:
                material.check_early(utc_now())
                if not material.locked:
                    material.unlock(None, utc_now())
        except MtlsRunError as error:
            _tell(error.fact, error.hint)
            draft.forget("client-cert", "client-key")
        else:
            return


def _takes_pips(draft: Draft, context: Context) -> bool:
    """Offer the certificate and the CA of pip's own settings; tell whether they were taken."""
    try:
        found = pip_settings.read(context.environ, PipScope())
    except MtlsRunError:
        return False
    if found.client_cert is None:
        return False
    value, origin = found.client_cert.value, found.client_cert.origin
    if not terminal.ask_yes(f"use the certificate of pip's settings, {value} ({origin})?"):
        return False
    for key, setting in (("client-cert", found.client_cert), ("ca-cert", found.cert)):
        if setting is not None and key not in draft.values:
            draft.answer(key, str(setting.value))
            draft.origins[key] = setting.origin
    return True


def _ask_key(draft: Draft) -> None:
    """Ask for the key if the certificate's file has none."""
    named = draft.values["client-cert"]
    if "client-key" in draft.values or not isinstance(named, str) or is_uri(named):
        return
    material = gather(draft.candidate())
    if material is None or material.keys or material.containers:
        return
    typed = terminal.ask_path("its private key (a file)")
    if typed:
        draft.answer("client-key", typed)


def ask_ca(draft: Draft) -> None:
    """Ask for the CA certificate of the index until it can be used."""
    if "ca-cert" in draft.values or "roots" in draft.values:
        return
    question = "CA certificate of the index (Enter: the system's roots)"
    while typed := terminal.ask_path(question):
        try:
            draft.answer("ca-cert", typed)
            profile_check.check_roots(draft.candidate())
        except MtlsRunError as error:
            _tell(error.fact, error.hint)
            draft.forget("ca-cert")
        else:
            return


def is_proven(draft: Draft, identity: Identity, context: Context) -> bool:
    """Try the identity at an index that the user names; return False to ask for another one.

    A server by an unknown CA has the CA asked for again, any other fault the index.
    """
    directory = current_directory()
    scope = installed_tools.pip_scope(context.environ)
    known = indexes.configured(context.environ, directory, scope, {}).found
    url = ""
    while True:
        url = url or _ask_url(known)
        if not url:
            draft.next = "mtls-run doctor"
            return True
        errors = _try(draft.candidate(), identity, url, context)
        if not errors:
            terminal.tell(f"{url} accepts the certificate")
            draft.next = _next(url, known, context)
            return True
        for one in errors:
            _tell(one.fact, one.action)
        cause = errors[-1].code
        if cause.startswith(_OF_THE_CA) and "roots" not in draft.values:
            draft.forget("ca-cert")
            ask_ca(draft)
            if "ca-cert" in draft.asked:
                continue
        elif cause.startswith("identity-") and "client-cert" in draft.asked:
            if not terminal.ask_yes("name another certificate?"):
                return True
            draft.forget("client-cert", "client-key")
            return False
        url = ""


def _ask_url(known: tuple[Index, ...]) -> str:
    """Return the URL of the index to try, or "" for none."""
    for index in known:
        terminal.tell(f"configured: {index.shown} ({index.origin})")
    if not known:
        return terminal.ask_line("URL of the index, to try it (Enter: try none)")
    typed = terminal.ask_line(f"URL of the index (Enter: {known[0].shown}; - : try none)")
    return "" if typed == "-" else typed or known[0].shown


def _try(profile_: Profile, identity: Identity, url: str, context: Context) -> list[Finding]:
    """Return the errors that doctor finds with this identity at this URL."""
    here = Inspection(context.options, context.environ, current_directory(), context.reporter)
    machine = Machine(
        profile_,
        IdentityReport(identity, identity.leaf),
        roots_report.examine(profile_, here),
        installed_tools.pip_scope(context.environ),
        Tools(),
    )
    quiet = context.options.quiet
    found = diagnose(here, (url,), _TIMEOUT, machine, quiet=quiet).findings
    return [one for one in found if one.rank == "error"]


def _next(url: str, known: tuple[Index, ...], context: Context) -> str:
    """Return the command to run next, with the tool that is there and knows the index."""
    has_uv = next(which.on_path("uv", context.environ), None) is not None
    asked_by = {kind for index in known if index.shown == url for kind in index.asked_by}
    install = "uv pip install" if has_uv and (not asked_by or "uv" in asked_by) else "pip install"
    option = "" if asked_by else f"--index-url {quoted(url)} "
    return f"mtls-run {install} {option}PACKAGE"


def _tell(fact: str, hint: str | None) -> None:
    terminal.tell(fact)
    if hint:
        terminal.tell(f"hint: {hint}")
