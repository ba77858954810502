"""The edge: argv and environment in, one of the roads out. It only wires."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.cli import Invocation, Options
    from mtls_run.tools.base import ToolCall


def _isolate() -> None:
    """Keep what the user's environment and directory bring off our own import path.

    PYTHONPATH is for the tool; a module of the same name as one of ours, there or in the current
    directory, would run with the key in reach. (install.sh starts Python with -I besides.)
    """
    if sys.flags.isolated:
        return
    brought = {""}
    try:
        brought |= {os.path.abspath(entry) for entry in _python_path()}  # noqa: PTH100
        if sys.argv[0].endswith("__main__.py"):
            brought.add(os.getcwd())  # noqa: PTH109 - `python -m` puts it there
    except OSError:
        pass  # the current directory was removed: nothing can be imported from it
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    sys.path[:] = [entry for entry in sys.path if entry not in brought or entry == here]


def _python_path() -> list[str]:
    path = os.environ.get("PYTHONPATH")
    # To Python an empty entry, as `$PYTHONPATH:/lib` leaves it, is the current directory.
    return path.split(os.pathsep) if path else []


def _forget_openssl_settings() -> None:
    """Keep OpenSSL, Python's own and what our libraries bring, from settings in variables.

    They may name a library to load, or where one is loaded from, and -I does not keep them out.
    Only what C reads is changed: `os.environ`, and so the tool, keeps the variables.
    """
    for name in ("OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_MODULES", "OPENSSL_ENGINES"):
        os.unsetenv(name)


def main() -> None:
    """Run mtls-run as it was called, and end with its status."""
    _isolate()
    _forget_openssl_settings()
    sys.exit(_guarded(sys.argv[1:], os.environ))


def _guarded(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the status; the one place where an error becomes words."""
    from mtls_run.errors import FAILED, INTERRUPTED, MtlsRunError  # noqa: PLC0415
    from mtls_run.output import Reporter  # noqa: PLC0415

    try:
        return _answered(_dispatch(arguments, environ))
    except MtlsRunError as error:
        if environ.get("MTLS_RUN_DEBUG") == "1":
            _trace()
        Reporter(verbose=_is_verbose(arguments)).error(error)
        return error.status
    except KeyboardInterrupt:
        _ignore_interrupts()
        return INTERRUPTED
    except BrokenPipeError:
        _drop_answer()  # whoever read it went away
        return FAILED
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        if environ.get("MTLS_RUN_DEBUG") == "1":
            _trace()
        fact = f"internal error: {type(error).__name__}"
        hint = "with MTLS_RUN_DEBUG=1 it shows where; please report it"
        Reporter().error(MtlsRunError(fact, hint=hint))
        return FAILED


def _is_verbose(arguments: Sequence[str]) -> bool:
    """Tell whether mtls-run's own options ask for more; wrong ones ask for nothing."""
    from mtls_run import cli  # noqa: PLC0415
    from mtls_run.errors import UsageError  # noqa: PLC0415

    try:
        return cli.parse(arguments).options.verbose
    except UsageError:
        return False


def _ignore_interrupts() -> None:
    """Let an impatient second Ctrl-C not end by the signal what is ending with its status."""
    import signal  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answered(status: int) -> int:
    """Return `status` once the answer has reached stdout; raises MtlsRunError where it cannot."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from mtls_run.output import unwritable  # noqa: PLC0415

        _drop_answer()
        raise unwritable(error) from None
    return status


def _drop_answer() -> None:
    """Let what is still to be flushed to stdout go nowhere, or Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _trace() -> None:
    """Show where it happened; local variables, which may hold a secret, are not shown."""
    import traceback  # noqa: PLC0415

    traceback.print_exc()


def _dispatch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from mtls_run import cli  # noqa: PLC0415

    called = cli.parse(arguments)
    if called.options.help or called.options.version or called.subcommand is not None:
        from mtls_run import commands  # noqa: PLC0415

        return commands.run(called, environ)
    return _run_tool(called, environ)


def _run_tool(called: Invocation, environ: Mapping[str, str]) -> int:
    from mtls_run import cli  # noqa: PLC0415
    from mtls_run.errors import UsageError  # noqa: PLC0415
    from mtls_run.tools import registry  # noqa: PLC0415

    options = called.options
    if not called.words:
        raise UsageError("there is no tool to run", hint="mtls-run uv pip install …, or --help")
    call = registry.recognise(called.words, any_program=called.after_dashes)
    adapter = registry.ADAPTERS[call.kind]
    reason: str | None
    if options.no_profile:
        reason = "--no-profile"
    elif cli.disabled(environ):
        reason = "MTLS_RUN_DISABLE=1"
    else:
        reason = adapter.skip_reason(call, environ)
    from mtls_run import launch  # noqa: PLC0415
    from mtls_run.tools import recursion_guard, which  # noqa: PLC0415

    nesting = recursion_guard.read(call, environ, wrapped=options.wrapped)
    path = which.find(call.prefix[0], environ, nesting.called_back_by)
    environ = nesting.enter(path, environ)
    if options.explain:
        return _explain(options, call, path, environ, reason)
    if reason is not None:
        argv = (path, *call.prefix[1:], *call.arguments)
        if options.verbose:
            from mtls_run.output import Reporter  # noqa: PLC0415

            Reporter(verbose=True).detail(f"runs the tool unchanged: {reason}")
        return launch.become(path, argv, environ)
    return _start(options, call, path, environ)


def _start(options: Options, call: ToolCall, path: str, environ: Mapping[str, str]) -> int:
    """Run the tool as the last run did where nothing has changed, and else by the road."""
    from mtls_run import launch  # noqa: PLC0415
    from mtls_run.cache import launches  # noqa: PLC0415
    from mtls_run.tools import registry  # noqa: PLC0415

    key = launches.key(call, registry.ADAPTERS[call.kind], path, options)
    again = None if key is None else launches.find(key, environ)
    if again is not None and again.remembered is not None:
        from mtls_run.identity import remembered  # noqa: PLC0415 - off by default

        held = remembered.held(again.remembered)
        again = again.at(held) if held else None
    if again is None:
        return _travel(options, call, path, environ, key)
    if again.unchanged and not options.wrapped:
        from mtls_run.output import NO_PROFILE, Reporter  # noqa: PLC0415

        Reporter(quiet=options.quiet).notice(NO_PROFILE)
    argv = (path, *call.prefix[1:], *again.flags, *call.arguments)
    return launch.become(path, argv, again.environ(environ))


def _travel(
    options: Options, call: ToolCall, path: str, environ: Mapping[str, str], key: str | None
) -> int:
    """Resolve what is not kept, and run the tool."""
    import gc  # noqa: PLC0415

    # The imports below make a great many objects, and none of them is garbage before exec.
    gc.disable()
    from mtls_run import plan, resolve  # noqa: PLC0415
    from mtls_run import run as road  # noqa: PLC0415
    from mtls_run.output import Reporter  # noqa: PLC0415
    from mtls_run.system import files  # noqa: PLC0415
    from mtls_run.tools import registry  # noqa: PLC0415

    target = plan.Target(call, path, registry.ADAPTERS[call.kind])
    reporter = Reporter(quiet=options.quiet, verbose=options.verbose)
    start = resolve.Start(options, target, environ, files.current_directory(), reporter)
    return road.travel(start, key)


def _explain(
    options: Options, call: ToolCall, path: str, environ: Mapping[str, str], reason: str | None
) -> int:
    """Answer what would be done; `reason` is why nothing would."""
    from mtls_run import plan, resolve  # noqa: PLC0415
    from mtls_run.commands import explain  # noqa: PLC0415
    from mtls_run.output import answer  # noqa: PLC0415
    from mtls_run.system import files  # noqa: PLC0415
    from mtls_run.tools import registry  # noqa: PLC0415

    target = plan.Target(call, path, registry.ADAPTERS[call.kind])
    collector = explain.NoticeCollector()
    start = resolve.Start(options, target, environ, files.current_directory(), collector)
    answer(explain.show(start, collector, reason=reason))
    return 0


if __name__ == "__main__":
    main()
