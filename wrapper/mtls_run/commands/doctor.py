"""`mtls-run doctor [URL…]`: what is wrong between this machine and the index, and what mends it."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import click

from mtls_run.commands import Context, runner
from mtls_run.doctor import examination, findings, machine, report
from mtls_run.output import answer
from mtls_run.system.files import current_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT = 5.0


def run(arguments: Sequence[str], context: Context) -> int:
    """Return the status of `doctor`."""
    return runner.run(doctor, "doctor", arguments, context)


@click.command(cls=runner.Command)
@click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=120, min_open=True),
    default=TIMEOUT,
    show_default=True,
    help="Seconds that each step of the network may take.",
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.pass_obj
def doctor(context: Context, urls: tuple[str, ...], *, as_json: bool, timeout: float) -> int:
    """Examine profile, identity, roots and tools; connect to each URL; say what is wrong.

    Without a URL: the indexes that pip and uv are set up for here. What is found is told in the
    order of its weight, the most important last, each with what to do. Status 1 where something
    stops pip or uv, else 0; warnings and notes do not change it.
    """
    warnings.simplefilter("ignore")  # odd serial numbers in a store of roots are no news here
    here = machine.Surroundings(
        context.options, context.environ, current_directory(), context.reporter
    )
    progress = report.Progress.of(context.environ, quiet=as_json or context.options.quiet)
    examined = examination.examine(here, urls, timeout, progress)
    if as_json:
        answer(report.as_json(examined))
    else:
        answer(report.as_text(examined, colour=report.coloured(sys.stdout, context.environ)))
    return findings.status(examined.findings)
