"""`mtls-run doctor [URL…]`: find what is wrong between this machine and the index."""

from __future__ import annotations

import sys
import warnings

import click

from mtls_run.commands import Context, runner
from mtls_run.doctor import findings, report
from mtls_run.doctor import fleet as fleet_report
from mtls_run.doctor.diagnosis import diagnose
from mtls_run.doctor.inspection import Inspection
from mtls_run.output import answer
from mtls_run.output.screen import Screen
from mtls_run.system.files import current_directory

TIMEOUT = 5.0


@click.command(cls=runner.Command, epilog="Example: mtls-run doctor https://index.example/simple/")
@click.option("--json", "as_json", is_flag=True, help="Output JSON.")
@click.option("--fleet", is_flag=True, help="Output JSON without names, paths and hosts.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, max=120, min_open=True),
    default=TIMEOUT,
    metavar="SECONDS",
    help=f"Limit each network step. The default is {TIMEOUT:.0f}.",
)
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.pass_obj
def doctor(
    context: Context, urls: tuple[str, ...], *, as_json: bool, fleet: bool, timeout: float
) -> int:
    """Check profile, identity, roots and tools, connect to each URL, and report what is wrong.

    Without a URL, doctor connects to the indexes of every tool here. Each finding says what
    to do. The most important finding comes last, before the verdict. The exit status is 1 if
    something stops pip or uv, else 0; warnings and notes do not change it. -v adds the details.
    """
    warnings.simplefilter("ignore")  # cryptography warns of odd certificates in a root store
    here = Inspection(context.options, context.environ, current_directory(), context.reporter)
    is_quiet = as_json or fleet or context.options.quiet
    diagnosis = diagnose(here, urls, timeout, quiet=is_quiet)
    if fleet:
        answer(fleet_report.as_json(diagnosis))
    elif as_json:
        answer(report.as_json(diagnosis))
    else:
        screen = Screen.of(sys.stdout, context.environ)
        answer(report.as_text(diagnosis, screen, verbose=context.options.verbose))
    return findings.status(diagnosis.findings)


run = runner.entry(doctor)
