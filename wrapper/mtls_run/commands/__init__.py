"""The management commands, one module each; `--help` and `--version`.

They may import what they like: a command here is typed by a person now and then. To add one: a
module with `run(arguments, context)`, its name in `invocation.SUBCOMMANDS`, a line in HELP.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.cli import Invocation, Options
    from mtls_run.output import Reporter

HELP = """\
mtls-run runs pip and uv against a package index that asks for a client certificate.

usage: mtls-run [OPTIONS] TOOL [ARG…]         pip, pip3, uv, uvx, python -m pip, py -3 -m pip
       mtls-run [OPTIONS] -- COMMAND [ARG…]   any other program: make, tox, a shell
       mtls-run SUBCOMMAND …

options, which stand before TOOL:
  -p, --profile NAME    use this profile
      --no-profile      run TOOL unchanged
      --explain         say what would be done, and why; unlocks nothing
      --json            the same as JSON
      --handoff HOW     memfd | supervise: how an unlocked identity reaches TOOL
  -q, --quiet           no notices (errors stay)
  -v, --verbose         one line per decision, on stderr
      --version
  -h, --help

subcommands:
  profile list | show [NAME] [--brief] | add NAME … | edit | remove NAME | default NAME
          | import [--from pip|uv|FILE] NAME
  passphrase set [--stdin] | check | forget  [NAME]
                        the passphrase of a profile's key, in the keyring
  forget                every identity that `remember` keeps unlocked, in this login session
  allow [DIR], deny [DIR]
                        trust, or distrust, what a directory's project file says
  init [bash|zsh|fish|powershell] [--only TOOL] [--no-completion]
                        shell code to eval: pip, pip3, uv, uvx go through mtls-run; completion
  shims install | remove | list  [--dir DIR] [--tool NAME]
                        the same for what no shell function reaches: scripts, Makefiles, editors
  doctor [--json] [URL…]
                        check everything, really connect, and say what is wrong and what mends it
  demo                  the whole road on this machine, on a throwaway index

The profile is the first of: --profile, MTLS_RUN_PROFILE, the project file (.mtls-run.toml, or
[tool.mtls-run] in pyproject.toml), [[directories]] and `default-profile` in the configuration file,
pip's own settings. The configuration file is:
{file}"""


@dataclass(frozen=True)
class Context:
    """What a subcommand is run with: mtls-run's own options, the environment, and a reporter."""

    options: Options
    environ: Mapping[str, str]
    reporter: Reporter


def run(called: Invocation, environ: Mapping[str, str]) -> int:
    """Return the status of the subcommand, or of --help and --version."""
    from mtls_run.output import Reporter, answer  # noqa: PLC0415

    if called.options.version:
        answer(f"mtls-run {__version__}")
        return 0
    if called.options.help or called.subcommand is None:
        from mtls_run.config import layers  # noqa: PLC0415

        answer(HELP.format(file=layers.user_file(environ).value))
        return 0
    if called.subcommand == "demo":
        return int(importlib.import_module(".demo", __name__).run(called.words))
    module = importlib.import_module(f".{called.subcommand}", __name__)
    reporter = Reporter(quiet=called.options.quiet, verbose=called.options.verbose)
    return int(module.run(called.words, Context(called.options, environ, reporter)))
