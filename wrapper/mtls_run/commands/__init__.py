"""The management commands, one module each; `--help` and `--version`.

To add a command, write a module with `run(arguments, context)`, and add its name to
`cli.SUBCOMMANDS` and to HELP.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from mtls_run import __version__, config, import_on_use
from mtls_run.cli import Invocation, Options
from mtls_run.output import Reporter, answer
from mtls_run.output.text import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mtls_run.commands import certificate as certificate
    from mtls_run.commands import profile_cli as profile_cli
    from mtls_run.commands import runner as runner
else:  # a shell's prompt and completion wait for some commands, and need none of these
    __getattr__ = import_on_use(__name__)

HELP = """\
mtls-run runs pip and uv against an index that asks for a client certificate.

usage: mtls-run [OPTIONS] TOOL [ARG…]
       mtls-run [OPTIONS] -- COMMAND [ARG…]
       mtls-run SUBCOMMAND …
  TOOL is one of: pip, uv, uvx, twine, poetry, pdm, hatch, flit, pipx, pipenv,
  git, curl; or python -m pip, py -3 -m pip. COMMAND is any other program, such
  as make, tox or a shell.

examples:
  mtls-run profile add corp --client-cert ~/pki/alice.p12
  mtls-run uv pip install requests

options, before TOOL; -p, -q and -v also after a subcommand:
  -p, --profile NAME    Use this profile.
      --no-profile      Run TOOL unchanged.
      --explain         Print what mtls-run would do, and why. Unlock nothing.
      --json            Output JSON. Use it with --explain.
      --handoff HOW     How TOOL gets an identity: memfd, supervise or gateway.
  -q, --quiet           Print no notices. Errors stay.
  -v, --verbose         Print each decision on stderr, one on a line.
      --version         Print the version.
  -h, --help            Print this help.

subcommands:
  profile list | show [NAME] [--brief] | add NAME … | edit | remove NAME
          | default NAME | import [--from pip|uv|FILE] NAME
          | import URL --sha256 DIGEST | renew [NAME] [--all]
                        Show and change the profiles.
  passphrase set [--stdin] | check | forget  [NAME]
                        Keep the passphrase of a profile's key in the keyring.
  forget                Forget every identity that `remember` keeps unlocked.
  allow [DIR], deny [DIR]
                        Trust or distrust the project file of a directory.
  init [bash|zsh|fish|powershell] [--only TOOL] [--tool TOOL]
                        Print shell code to evaluate. It makes pip, pip3, uv
                        and uvx go through mtls-run, and completes its words.
  shims install | remove | list  [--dir DIR] [--tool NAME]
                        Do the same for scripts, Makefiles and editors, which
                        shell code does not reach.
  doctor [--json | --fleet] [URL…]
                        Check everything, connect to the index, and print what
                        is wrong and how to fix it.
  demo [--gateway]      Show all of it on this machine, with a throwaway index,
                        key and passphrase.
  uninstall             Remove the shims, the line in a shell's startup file,
                        the cache and the state. Ask before removing the
                        configuration and stored passphrases.
  help [COMMAND]        Print this help, or that of a command.

The profile comes from the first of these that names one: --profile,
MTLS_RUN_PROFILE, the project file (.mtls-run.toml, or [tool.mtls-run] in
pyproject.toml), [[directories]] in the configuration, `default-profile` there,
pip's own settings. The configuration is this file:
{file}"""


@dataclass(frozen=True)
class Context:
    """The input of a subcommand: mtls-run's own options, the environment, and a reporter."""

    options: Options
    environ: Mapping[str, str]
    reporter: Reporter


def run(called: Invocation, environ: Mapping[str, str]) -> int:
    """Return the status of the subcommand, or of --help and --version."""
    if sys.stdout is None:
        # It was closed. As git does, write to nowhere, so that no file gets the descriptor 1.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    if called.options.version:
        answer(f"mtls-run {__version__}")
        return 0
    if called.options.help or called.subcommand is None:
        answer(general_help(environ))
        return 0
    module = importlib.import_module(f".{called.subcommand}", __name__)
    reporter = Reporter(quiet=called.options.quiet, verbose=called.options.verbose)
    context = Context(called.options, environ, reporter)
    return int(module.run(called.words, context))


def general_help(environ: Mapping[str, str]) -> str:
    """Return the help of mtls-run itself."""
    return HELP.format(file=config.layers.user_file(environ).value)


def say(text: str) -> None:
    """Print lines of the answer, with their control characters shown as escapes."""
    answer("\n".join(map(printable, text.split("\n"))))
