"""Entry: reads argv and the environment, and calls what answers them. It only wires.

Two quick ways out come first: a call that uses no network, and one whose launch is cached. They
cost little more than Python's own start: the modules at the top are small, and every other import
stands inside the function that needs it. Those at the top import this package, what is built into
Python, and `__future__`. So no other file is loaded before `_isolate`.
"""

from __future__ import annotations

import os
import sys

import mtls_run
from mtls_run import cli, launch
from mtls_run.errors import FAILED, INTERRUPTED, MtlsRunError, UsageError
from mtls_run.system import recursion_guard
from mtls_run.tools import registry, which
from mtls_run.tools.base import Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.cli import Invocation, Options
    from mtls_run.output import Reporter
    from mtls_run.resolve import Context


def _isolate() -> None:
    """Keep what the user's environment and directory bring off our own import path.

    PYTHONPATH is for the tool; a module of the same name as one of ours, there or in the current
    directory, would run with the key in reach. (install.sh starts Python with -I besides.)
    """
    if sys.flags.isolated:
        return
    brought = {""}
    try:
        brought |= {os.path.abspath(entry) for entry in _python_path()}
        if sys.argv[0].endswith("__main__.py"):
            brought.add(os.getcwd())  # `python -m` puts it there
    except OSError:
        pass  # the current directory was removed: nothing can be imported from it
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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
    """Return the status; the one place where an error becomes a message."""
    try:
        return _answered(_dispatch(arguments, environ))
    except MtlsRunError as error:
        _report(error, environ, verbose=_is_verbose(arguments))
        return error.status
    except KeyboardInterrupt:
        _ignore_interrupts()
        return INTERRUPTED
    except BrokenPipeError:
        _drop_answer()  # the reader went away
        return FAILED
    except ImportError as error:
        _report(_unloadable(error), environ)
        return FAILED
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        fact = f"internal error: {type(error).__name__}"
        hint = "set MTLS_RUN_DEBUG=1 to see where, and report it"
        _report(MtlsRunError(fact, hint=hint), environ)
        return FAILED


def _unloadable(error: ImportError) -> MtlsRunError:
    """Return the error for a module that is missing here, or that this system cannot load."""
    from mtls_run.system import installer

    reason = "not found" if isinstance(error, ModuleNotFoundError) else error.msg
    hint = f"install mtls-run again, for this Python and system: {installer.repair_command()}"
    if installer.UNPACKED is not None:
        hint = (
            f"unpack it again: {installer.repair_command()}\n"
            "if no program may be started from there (noexec), name another: XDG_CACHE_HOME=DIR"
        )
    return MtlsRunError(f"cannot load {error.name or 'a module'}: {reason}", hint=hint)


def _report(error: MtlsRunError, environ: Mapping[str, str], *, verbose: bool = False) -> None:
    """Say what stopped the run; with MTLS_RUN_DEBUG=1 show where."""
    if environ.get("MTLS_RUN_DEBUG") == "1":
        import traceback

        traceback.print_exc()  # it shows no local variables, which may hold a secret
    mtls_run.output.Reporter(verbose=verbose).error(error)


def _is_verbose(arguments: Sequence[str]) -> bool:
    """Tell whether mtls-run's own options ask for more; wrong ones ask for nothing."""
    try:
        called = cli.parse(arguments)
    except UsageError:
        return False
    # A subcommand takes it too.
    after = called.words if called.subcommand is not None else ()
    return called.options.verbose or "-v" in after or "--verbose" in after


def _ignore_interrupts() -> None:
    """Let an impatient second Ctrl-C not end by the signal what is ending with its status."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _answered(status: int) -> int:
    """Return `status` once the answer has reached stdout; raises MtlsRunError where it cannot."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _drop_answer()
        raise mtls_run.output.unwritable(error) from None
    return status


def _drop_answer() -> None:
    """Let what is still to be flushed to stdout go nowhere, or Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _dispatch(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    called = cli.parse(arguments)
    if called.options.help or called.options.version or called.subcommand is not None:
        from mtls_run import commands

        return commands.run(called, environ)
    return _run_tool(called, environ)


def _run_tool(called: Invocation, environ: Mapping[str, str]) -> int:
    options = called.options
    if not called.words:
        raise UsageError("there is no tool to run", hint=cli.FIRST_STEPS)
    tool, call = registry.recognise(
        called.words,
        any_program=called.after_dashes,
        commands=(*cli.SUBCOMMANDS, *registry.NAMES),
    )
    reason: str | None
    if options.no_profile:
        reason = "--no-profile"
    elif cli.disabled(environ):
        reason = "MTLS_RUN_DISABLE=1"
    else:
        reason = tool.skip_reason(call, environ)
    nesting = recursion_guard.read(call, environ, wrapped=options.wrapped)
    path = which.find(call.prefix[0], environ, nesting.called_back_by)
    environ = nesting.enter(path, environ)
    target = Target(tool, call, path)
    if options.explain:
        return _explain(options, target, environ, reason)
    if reason is not None:
        if options.verbose:
            mtls_run.output.Reporter(verbose=True).detail(f"runs the tool unchanged: {reason}")
        return launch.become(path, target.argv(), environ)
    return _start(options, target, environ)


def _start(options: Options, target: Target, environ: Mapping[str, str]) -> int:
    """Run the tool as the same call did before, where nothing has changed; else resolve."""
    from mtls_run.cache import launches
    from mtls_run.system import dirs

    key = launches.key(target.call.words, target.path, options)
    cached = None if key is None else launches.find(key, environ)
    if cached is None:
        return _resolve(options, target, environ, key)
    identity = None
    if cached.identity is not None:
        _stop_collecting_garbage()
        from mtls_run.handoff import repeat

        identity = repeat.hold(cached.identity, environ)
        if identity is None:
            return _resolve(options, target, environ, key)
    if dirs.has_leftovers(environ):
        from mtls_run.handoff import private_file

        private_file.sweep(environ)
    if not cached.has_profile and not options.wrapped:
        mtls_run.output.Reporter(quiet=options.quiet).notice(mtls_run.output.NO_PROFILE)
    argv = target.argv(cached.launch.words(identity))
    return launch.become(target.path, argv, cached.launch.environ(environ, identity))


def _resolve(options: Options, target: Target, environ: Mapping[str, str], key: str | None) -> int:
    """Resolve what no cached launch answers, and run the tool."""
    _stop_collecting_garbage()
    from mtls_run import run

    reporter = mtls_run.output.Reporter(quiet=options.quiet, verbose=options.verbose)
    return run.run(_context(options, target, environ, reporter), key)


def _stop_collecting_garbage() -> None:
    """Spare the imports that follow: they make many objects, and none is garbage before exec."""
    import gc

    gc.disable()


def _explain(
    options: Options, target: Target, environ: Mapping[str, str], reason: str | None
) -> int:
    """Answer what would be done; `reason` is why nothing would."""
    from mtls_run.commands import explain

    collector = explain.NoticeCollector()
    context = _context(options, target, environ, collector)
    mtls_run.output.answer(explain.show(context, collector, reason=reason))
    return 0


def _context(
    options: Options, target: Target, environ: Mapping[str, str], reporter: Reporter
) -> Context:
    from mtls_run.resolve import Context
    from mtls_run.system.files import current_directory

    return Context(options, target, environ, current_directory(), reporter)


if __name__ == "__main__":
    main()
