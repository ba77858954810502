"""Gives inputs to targets again: `… FILE`, which has a list of {"target", "input" in base64}.

Prints, as JSON, what came of each: null, or the failure.
"""

from __future__ import annotations

import json
import sys
import warnings
from base64 import b64decode
from pathlib import Path

from . import seeds, targets, worker

if __name__ == "__main__":
    entries = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with worker.alone() as folder:
        warnings.simplefilter("error")
        found = seeds.make()
        every = targets.all_of(found, folder)
        ended = [
            worker.failure(every[entry["target"]], b64decode(entry["input"]), found.traces)
            for entry in entries
        ]
        shown = [None if error is None else worker.signature(error) for error in ended]
        sys.stdout.write(json.dumps({"targets": list(every), "failures": shown}))
