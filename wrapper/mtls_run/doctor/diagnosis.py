"""The whole diagnosis: this machine, then all URLs at once, then the findings."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography import x509

from mtls_run.config.profile import Profile
from mtls_run.doctor import indexes, machine
from mtls_run.doctor.conclusions import conclude
from mtls_run.doctor.findings import Finding, Row
from mtls_run.doctor.indexes import Index
from mtls_run.doctor.inspection import Inspection
from mtls_run.doctor.machine import Machine
from mtls_run.doctor.probe import Setup, probe
from mtls_run.doctor.routes import Routes
from mtls_run.doctor.transcript import LocalFacts, Transcript
from mtls_run.identity import checks
from mtls_run.system import progress
from mtls_run.tools.base import Target

_MOST_OF_URL = 40


@dataclass(frozen=True)
class Diagnosis:
    """What was found. The most important finding is the last.

    `parts` are the parts of the report about this machine, each with the line that sums it up.
    `targets` are the tools on PATH, `leaf` is the identity's certificate.
    """

    profile: Profile | None
    rows: list[Row]
    urls: tuple[Transcript, ...]
    findings: tuple[Finding, ...]
    parts: dict[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()
    leaf: x509.Certificate | None = None


def diagnose(
    here: Inspection,
    urls: Sequence[str],
    timeout: float,
    local: Machine | None = None,
    *,
    quiet: bool = False,
) -> Diagnosis:
    """Return what is wrong between this machine and the URLs, or the indexes configured here.

    Unless `quiet`, a line at the terminal shows which URLs have not answered yet.

    With `local`, what is known of this machine already, only the network is examined.
    """
    if local is None:
        local = machine.examine(here)
    routes = Routes(local.targets, local.pip_settings, here.environ, here.directory)
    if urls:
        chosen = indexes.named(urls, here.environ)
    else:
        chosen = indexes.configured(
            here.environ, here.directory, local.pip_scope, routes.handed_over
        )
    routed = routes.apply(chosen.found)
    # A file that cannot be read is reported once.
    here.part("indexes")
    for one in dict.fromkeys((*chosen.findings, *routes.findings)):
        here.add(one)
    if not chosen.found and not chosen.findings:
        here.finding(
            "no-index",
            "no index is configured here, so doctor connected to none",
            "name one: mtls-run doctor https://HOST/simple/",
        )
    identity, trusted = local.identity.identity, local.roots.trusted
    setup = Setup(trusted, local.identity.client, here.environ, timeout, local.tools)
    transcripts = _probe_all(routed, setup, quiet=quiet)
    facts = LocalFacts(
        now=checks.utc_now(),
        profile=local.profile.label if local.profile else None,
        leaf=local.identity.leaf,
        identity=(identity.leaf, *identity.intermediates) if identity else (),
        identity_label=f"the certificate in {identity.where}" if identity else "",
        roots=trusted.names if trusted else None,
        roots_label=local.roots.label,
        issuer_of=trusted.issuer_of if trusted else lambda _: None,
    )
    found = conclude(here.findings, facts, transcripts)
    leaf = local.identity.leaf
    return Diagnosis(local.profile, here.rows, transcripts, found, here.parts, local.targets, leaf)


def _probe_all(chosen: Sequence[Index], setup: Setup, *, quiet: bool) -> tuple[Transcript, ...]:
    """Probe each index in its own thread. Every step has a deadline, so each thread ends."""
    transcripts: dict[Index, Transcript] = {}
    failures: list[BaseException] = []

    def work(index: Index) -> None:
        try:
            transcripts[index] = probe(index, setup)
        except BaseException as error:  # noqa: BLE001 - raised in the main thread
            failures.append(error)

    threads = {index: threading.Thread(target=work, args=(index,), daemon=True) for index in chosen}
    for thread in threads.values():
        thread.start()
    with progress.shown(lambda: _waiting(threads), quiet=quiet):
        for thread in threads.values():
            thread.join()
    if failures:
        raise failures[0]
    return tuple(transcripts[index] for index in chosen)


def _waiting(threads: Mapping[Index, threading.Thread]) -> str:
    """Return which URLs have not answered yet."""
    left = [index.shown for index, thread in threads.items() if thread.is_alive()]
    more = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return f"connecting to {left[0][:_MOST_OF_URL]}{more}" if left else "connected"
