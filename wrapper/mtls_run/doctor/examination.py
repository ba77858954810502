"""The whole examination: this machine, then every URL at once, then the verdict."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.doctor import indexes, machine, probe, verdict
from mtls_run.doctor.admission import Known
from mtls_run.doctor.findings import finding
from mtls_run.doctor.observations import Observed, Trouble
from mtls_run.identity import checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mtls_run.doctor.findings import Finding
    from mtls_run.doctor.indexes import Index
    from mtls_run.doctor.machine import Machine, Surroundings
    from mtls_run.doctor.report import Progress

# Name, connection, proxy, TLS and answer, twice, and redirects: no run has more steps.
_MOST_STEPS = 14
_TICK = 0.2


@dataclass(frozen=True)
class Examined:
    """What was found; the findings in their order, the most important last."""

    machine: Machine
    urls: tuple[Observed, ...]
    findings: tuple[Finding, ...]


def examine(
    here: Surroundings, urls: Sequence[str], timeout: float, progress: Progress
) -> Examined:
    """Return what is wrong between this machine and these URLs, or those that are set up here."""
    local = machine.examine(here)
    if urls:
        chosen = indexes.named(urls, here.environ, local.prefix)
    else:
        chosen = indexes.configured(here.environ, here.directory, local.prefix)
    found = [*local.findings, *chosen.findings]
    if not chosen.found and not chosen.findings:
        found.append(
            finding(
                "no-index",
                "no index is named for pip or uv here, so nothing was connected to",
                "name one: mtls-run doctor https://HOST/simple/",
            )
        )
    held, roots = local.held, local.anchors
    setup = probe.Setup(roots.roots, held.identity, here.environ, timeout)
    seen = _all(chosen.found, setup, progress)
    shown = held.identity
    known = Known(
        now=checks.utc_now(),
        profile=local.profile.label if local.profile else None,
        leaf=held.leaf,
        identity=(shown.leaf, *shown.intermediates) if shown else (),
        identity_label=f"the certificate in {shown.where}" if shown else "",
        roots=roots.roots.names if roots.roots else None,
        roots_label=roots.label,
        issuer_of=roots.roots.issuer_of if roots.roots else lambda _: None,
    )
    return Examined(local, seen, verdict.conclude(verdict.Seen(tuple(found), known, seen)))


def _all(chosen: Sequence[Index], setup: probe.Setup, progress: Progress) -> tuple[Observed, ...]:
    """Probe every index in a thread of its own; none is waited for beyond its steps' time."""
    seen: dict[Index, Observed] = {}
    failed: list[BaseException] = []

    def work(index: Index) -> None:
        try:
            seen[index] = probe.probe(index, setup)
        except BaseException as error:  # noqa: BLE001 - said in the main thread
            failed.append(error)

    threads = {index: threading.Thread(target=work, args=(index,), daemon=True) for index in chosen}
    for thread in threads.values():
        thread.start()
    started = time.monotonic()
    try:
        while time.monotonic() - started < _MOST_STEPS * setup.timeout + 1:
            waiting = [index for index, thread in threads.items() if thread.is_alive()]
            if not waiting or failed:
                break
            threads[waiting[0]].join(_TICK)
            progress.say([index.shown for index in waiting], time.monotonic() - started)
    finally:
        progress.end()
    if failed:
        raise failed[0]
    late = Trouble("connect", "timeout")
    return tuple(seen.get(index) or Observed(index, trouble=late) for index in chosen)
