"""Run one command line after another from one warm process: `python -m tests.cli.pairs JOBS`.

JOBS is a JSON file: a list of [cache, environment, directory, words]. For each, a child of this
process, which has imported mtls-run already, becomes what `mtls-run WORDS` becomes. Before it the
user's cache is replaced by a copy of `cache` (null: it is emptied; "": it is left as it is).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from mtls_run import __main__ as entry
from mtls_run import run, unlock
from mtls_run.identity import material
from mtls_run.tools import pip_version, uv_indexes

WARM = (run, unlock, material, pip_version, uv_indexes)


def main(jobs: Path) -> None:
    """Run the jobs in order and print each status."""
    for cache, environ, directory, words in json.loads(jobs.read_text()):
        own = Path(environ["XDG_CACHE_HOME"])
        if cache != "":
            shutil.rmtree(own, ignore_errors=True)
            if cache is not None:
                shutil.copytree(cache, own)
        child = os.fork()
        if child == 0:
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(environ)
            sys.argv = ["mtls-run", *words]
            try:
                entry.main()
            finally:
                os._exit(99)  # main ends by SystemExit where it does not become the tool
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 0:
            raise SystemExit(f"{words}: {status}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
