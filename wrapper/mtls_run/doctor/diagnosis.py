"""The whole diagnosis: this machine, then all URLs at once, then the findings."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.doctor import indexes, machine
from mtls_run.doctor.client_auth import LocalFacts
from mtls_run.doctor.conclusions import conclude
from mtls_run.doctor.probe import Setup, probe
from mtls_run.doctor.routes import Routes
from mtls_run.identity import checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.config.profile import Profile
    from mtls_run.doctor.findings import Finding, Row
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.inspection import Inspection
    from mtls_run.doctor.report import Progress
    from mtls_run.doctor.transcript import Transcript

_TICK = 0.2


@dataclass(frozen=True)
class Diagnosis:
    """What was found. The most important finding is the last."""

    profile: Profile | None
    rows: list[Row]
    urls: tuple[Transcript, ...]
    findings: tuple[Finding, ...]


def diagnose(
    here: Inspection, urls: Sequence[str], timeout: float, progress: Progress
) -> Diagnosis:
    """Return what is wrong between this machine and the URLs, or the indexes configured here."""
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
    here.findings.extend(dict.fromkeys((*chosen.findings, *routes.findings)))
    if not chosen.found and not chosen.findings:
        here.finding(
            "no-index",
            "no index is configured for pip or uv here, so doctor connected to none",
            "name one: mtls-run doctor https://HOST/simple/",
        )
    identity, trusted = local.identity.identity, local.roots.trusted
    setup = Setup(trusted, local.identity.client, here.environ, timeout, local.tools)
    transcripts = _probe_all(routed, setup, progress)
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
    return Diagnosis(local.profile, here.rows, transcripts, found)


def _probe_all(chosen: Sequence[Index], setup: Setup, progress: Progress) -> tuple[Transcript, ...]:
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
    started = time.monotonic()
    try:
        while waiting := [index for index, thread in threads.items() if thread.is_alive()]:
            threads[waiting[0]].join(_TICK)
            progress.show([index.shown for index in waiting], time.monotonic() - started)
    finally:
        progress.end()
    if failures:
        raise failures[0]
    return tuple(transcripts[index] for index in chosen)
