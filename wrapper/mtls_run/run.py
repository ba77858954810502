"""The run of a tool that may use the network: resolve → unlock → deliver → launch.

A call that uses no network, or whose launch is cached, never imports this module.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from mtls_run import launch, output, unlock
from mtls_run.cache import launches
from mtls_run.cache.launches import CachedLaunch
from mtls_run.handoff import private_file, settings_file, supervise
from mtls_run.resolve import resolve
from mtls_run.roots import bundle
from mtls_run.system import dirs, hardening
from mtls_run.tools import registry
from mtls_run.tools.which import cannot_start

if TYPE_CHECKING:
    from mtls_run.cache.launches import Launch
    from mtls_run.handoff.base import Delivery
    from mtls_run.resolve import Context, Resolved
    from mtls_run.tools.base import Target
    from mtls_run.unlock import Unlocked


def run(context: Context, key: str | None = None) -> int:
    """Run the tool with the profile that applies, or unchanged where none does.

    The launch is cached under `key`, where it can be. Returns the status to end with where this
    process does not become the tool. Raises MtlsRunError for what stops the run.
    """
    reporter, target = context.reporter, context.target
    read = registry.variables_read()
    variables = read, read.values(context.environ)
    resolved, rests_on = resolve(context, is_run=True)
    if resolved is None:
        if key is not None:
            launches.store(key, launches.UNCHANGED, rests_on, variables)
        if not context.options.wrapped:
            reporter.notice(output.NO_PROFILE)
        return launch.become(target.path, target.argv(), context.environ)
    if dirs.has_leftovers(context.environ):
        private_file.sweep(context.environ)
    resolved, unlocked = unlock.settled(resolved)
    roots = bundle.deliver(resolved.roots, rests_on)
    reporter.detail(f"roots: {resolved.roots}, in {roots or 'the system itself'}")
    delivery = unlocked.deliver(resolved)
    try:
        reporter.detail(f"handoff: {delivery.name}")
        planned = _planned(resolved, unlocked, delivery, roots)
        words = planned.words(delivery.identity)
        argv = resolved.target.argv(words)
        environ = planned.environ(context.environ, delivery.identity)
        settings = resolved.target.tool.settings(delivery.identity, resolved.hosts)
        if settings is not None:
            name, content = settings
            environ[name], delivery = settings_file.deliver(content, delivery, context.environ)
        reporter.detail(f"runs: {' '.join(resolved.target.shown(words))}")
        if key is not None and not reporter.noticed:
            cached = _cached(unlocked, delivery, planned)
            if cached is not None:
                valid = unlock.valid_between(resolved, unlocked)
                launches.store(key, cached, rests_on, variables, valid)
    except BaseException:
        delivery.close()
        raise
    if delivery.needs_parent:
        del resolved, unlocked  # while the tool runs, nothing here holds the key
        gc.collect()
        return _supervised(delivery, target, argv, environ)
    hardening.restore_core_limit()
    return launch.become(target.path, argv, environ)


def _planned(
    resolved: Resolved, unlocked: Unlocked, delivery: Delivery, roots: str | None
) -> Launch:
    tls = delivery.tls or unlocked.handoff.tls_files(roots, native=resolved.roots.native)
    fingerprint = unlocked.identity.fingerprint if unlocked.identity else None
    return resolved.launch(tls, fingerprint)


def _cached(unlocked: Unlocked, delivery: Delivery, planned: Launch) -> CachedLaunch | None:
    """Return what to cache of the launch, or None where a later run cannot repeat it.

    A private file and a settings file are of one run, as are a gateway's port and secret. An
    unlocked identity is cached only as the way to unlock it again.
    """
    if delivery.needs_parent or unlocked.handoff.keeps_key:
        return None
    if not unlocked.handoff.outlives_run and unlocked.again is None:
        return None
    return CachedLaunch(planned, has_profile=True, identity=unlocked.again)


def _supervised(
    delivery: Delivery, target: Target, argv: tuple[str, ...], environ: dict[str, str]
) -> int:
    """Run the tool as a child and take back the delivery; end as the tool did."""
    try:
        status = delivery.run(target.path, argv, environ)
    except OSError as error:
        raise cannot_start(target.path, error) from None
    finally:
        delivery.close()
    return supervise.end_as(status)
