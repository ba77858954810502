"""The road from a recognised call to the tool: profile, identity and roots, plan, handoff.

Every command that may use the network comes here; one that does not never imports this module.
"""

from __future__ import annotations

from mtls_run import launch, output, plan
from mtls_run.cache import dependencies, launches
from mtls_run.errors import HandoffError
from mtls_run.handoff.leftovers import has_leftovers
from mtls_run.identity import unlocking
from mtls_run.identity.ready import Ready
from mtls_run.record import Record, replace
from mtls_run.resolve import resolve
from mtls_run.roots import bundle as bundles
from mtls_run.system import dirs, hardening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cache.dependencies import Witness
    from mtls_run.handoff.private_file import PrivateFile
    from mtls_run.handoff.supervise import Block
    from mtls_run.identity.unlocking import Opened
    from mtls_run.plan import LaunchPlan
    from mtls_run.resolve import Resolved, Start


class Filed(Record):
    """A private file that a tool is to read, and signals held back until it is gone."""

    file: PrivateFile
    launched: LaunchPlan
    block: Block


def travel(start: Start, key: str | None = None) -> int:
    """Run the tool with the profile that applies, or unchanged where none does.

    With a `key`, what was resolved is kept by it for the next run, where that can be. Where this
    process does not become the tool, the status to end with is returned.
    """
    seen = None
    if key is not None:
        seen = dependencies.listen(start.environ)
        start = replace(start, environ=seen.environ)
    resolved = resolve(start, again=True)
    if resolved is None:
        if seen is not None:
            launches.keep(key, launches.NO_PROFILE, seen)
        if not start.options.wrapped:
            start.reporter.notice(output.NO_PROFILE)
        bare = plan.unchanged(start.target)
        return launch.become(bare.path, bare.argv, dependencies.plain(start.environ))
    _sweep(start.environ)
    opened = unlocking.unlock(resolved)
    bundle = bundles.handed(resolved.roots)
    start.reporter.detail(f"roots: {resolved.roots}, in {bundle or 'the system itself'}")
    if opened.handoff == "memfd":
        opened = _held(resolved, opened)
    start.reporter.detail(f"handoff: {opened.handoff}")
    if opened.handoff == "supervise":
        filed = _filed(resolved, opened, bundle)
        del opened, resolved  # while the tool runs, nothing here holds the key
        return _supervised(filed, start.environ)
    launched = resolved.plan(resolved.trust(opened.path, bundle), opened.identity)
    start.reporter.detail(f"becomes: {_command(launched)}")
    if seen is not None and not start.reporter.noticed:  # a notice is to be given again
        _keep(resolved, opened, bundle, key, seen)
    hardening.restore_core_limit()
    return launch.become(launched.path, launched.argv, launched.environ(start.environ))


def _keep(
    resolved: Resolved, opened: Opened, bundle: str | None, key: str | None, seen: Witness
) -> None:
    """Keep how the tool is started; of an unlocked identity only where it is remembered."""
    stand_in = remembered = None
    path = opened.path
    if opened.handoff == "memfd" and opened.remembered is not None:
        path = stand_in = launches.stand_in()
        remembered = opened.remembered
    elif opened.handoff not in ("none", "path"):
        return
    launched = resolved.plan(resolved.trust(path, bundle), opened.identity)
    again = launches.Launch(
        flags=launched.flags,
        changes=launched.changes,
        unchanged=False,
        remembered=remembered,
        stand_in=stand_in,
    )
    launches.keep(key, again, seen, resolved.good(opened.identity))


def _held(resolved: Resolved, opened: Opened) -> Opened:
    """Return the identity held in memory, or to be supervised where memory is refused."""
    from mtls_run.handoff import memfd  # noqa: PLC0415

    assert opened.identity is not None  # noqa: S101 - what has a handoff has an identity
    assert not isinstance(opened.identity, Ready)  # noqa: S101 - that is handed on by its own path
    try:
        path = memfd.hold(opened.identity.pem().reveal(), memfd.IDENTITY)
    except HandoffError as error:
        if unlocking.mode(resolved.start)[1]:
            raise
        resolved.start.reporter.notice(
            f"{error.fact}; the unlocked identity is in a private file until the tool ends"
        )
        return replace(opened, handoff="supervise")
    return replace(opened, path=path)


def _filed(resolved: Resolved, opened: Opened, bundle: str | None) -> Filed:
    """Return the private file with the identity, and how the tool is started with it."""
    from mtls_run.handoff import private_file, supervise  # noqa: PLC0415

    assert opened.identity is not None  # noqa: S101 - what has a handoff has an identity
    assert not isinstance(opened.identity, Ready)  # noqa: S101 - that is handed on by its own path
    start = resolved.start
    block = supervise.Block()
    try:
        file = private_file.create(opened.identity.pem().reveal(), start.environ)
        try:
            launched = resolved.plan(resolved.trust(str(file.path), bundle), opened.identity)
            start.reporter.detail(f"starts: {_command(launched)}")
        except BaseException:
            file.remove()
            raise
    except BaseException:
        block.release()
        raise
    return Filed(file, launched, block)


def _supervised(filed: Filed, environ: Mapping[str, str]) -> int:
    """Run the tool as a child that reads the private file; remove it on every way out."""
    import gc  # noqa: PLC0415

    from mtls_run.handoff import supervise  # noqa: PLC0415

    try:
        try:
            # What has been opened is no more than garbage by now; the road leaves that lying.
            gc.collect()
            launched = filed.launched
            status = supervise.run(
                launched.path, launched.argv, launched.environ(environ), filed.block
            )
        except OSError as error:
            raise launch.cannot_start(filed.launched.path, error) from None
        finally:
            filed.file.remove()
    finally:
        filed.block.release()
    return supervise.end_as(status)


def _sweep(environ: Mapping[str, str]) -> None:
    """Remove what killed runs left; that there is any is seen without importing how."""
    if has_leftovers(environ, dirs.user("cache")):
        from mtls_run.handoff import private_file  # noqa: PLC0415 - hardly ever

        private_file.sweep(environ)


def _command(launched: LaunchPlan) -> str:
    """Return the command in words, without the passwords of its URLs."""
    return " ".join(output.shown_word(word) for word in launched.argv)
