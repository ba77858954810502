"""`mtls-run doctor [URL…]`: find what is wrong between this machine and the index."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, runner
from mtls_run.doctor import findings, report
from mtls_run.doctor.diagnosis import diagnose
from mtls_run.doctor.inspection import Inspection
from mtls_run.output import answer
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 5.0


def run(arguments: Sequence[str], context: Context) -> int:
    """Run `doctor` and return its exit status."""
    return runner.run(doctor, "doctor", arguments, context)


@click.command(cls=runner.Command)
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=120, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Limit each network step to this many seconds.",
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.pass_obj
def doctor(context: Context, urls: tuple[str, ...], *, as_json: bool, timeout: float) -> int:
    """Check profile, identity, roots and tools, connect to each URL, and report what is wrong.

    Without a URL, doctor connects to the indexes that pip and uv use here. Each finding says what
    to do. The most important finding comes last. The exit status is 1 if something stops pip or uv,
    else 0; warnings and notes do not change it.

    Example: mtls-run doctor https://index.example/simple/
    """
    warnings.simplefilter("ignore")  # cryptography warns of odd certificates in a root store
    here = Inspection(context.options, context.environ, current_directory(), context.reporter)
    progress = report.Progress.on_stderr(context.environ, quiet=as_json or context.options.quiet)
    diagnosis = diagnose(here, urls, timeout, progress)
    if as_json:
        answer(report.as_json(diagnosis))
    else:
        answer(report.as_text(diagnosis, colour=report.coloured(sys.stdout, context.environ)))
    return findings.status(diagnosis.findings)
