"""pip's own interpreter, and what it answers about TLS (`pip_probe`).

A verdict for pip cannot come from mtls-run's OpenSSL: that of pip's Python differs in its version,
its security level, and how strictly it verifies.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtls_run.cache.dependencies import Dependencies
from mtls_run.errors import MtlsRunError
from mtls_run.identity.kind import DIGEST, SHORT_RSA
from mtls_run.system.record import Record
from mtls_run.tools import pip_version, version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mtls_run.identity.kind import Oddity
    from mtls_run.tools.base import ToolCall

_PROBE = Path(__file__).with_name("pip_probe.py")
# OpenSSL's reasons for a certificate that its security level forbids (ssl_cert.c, ssl_rsa.c).
WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")


class PipPython(Record):
    """The interpreter that runs pip, and the directory that it imports pip from.

    Without a directory it is asked about TLS alone.
    """

    program: str
    folder: str | None

    def ask(
        self,
        request: Mapping[str, object],
        environ: Mapping[str, str],
        descriptors: Sequence[int] = (),
        seconds: float = version.SECONDS,
    ) -> dict[str, Any] | None:
        """Return the interpreter's answer, or None where it gives none.

        It inherits `descriptors`. `pip_probe` has the keys of request and answer.
        """
        asked = {"pip": self.folder, "weak": WEAK, "socket": None, "identity": None, **request}
        try:
            done = subprocess.run(
                [self.program, "-I", "-X", "utf8", str(_PROBE)],
                input=json.dumps(asked).encode("utf-8"),
                capture_output=True,
                timeout=seconds,
                check=True,
                env=dict(environ),
                pass_fds=tuple(descriptors),
            )
            answer = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError):
            return None
        return answer if isinstance(answer, dict) else None


def find(call: ToolCall, path: str, environ: Mapping[str, str]) -> PipPython | None:
    """Return the interpreter of the pip that this call starts, or None where it is not known."""
    try:
        answer = version.answer([path, *call.prefix[1:], "--version"], environ)
        home = pip_version.location(answer)
        started = pip_version.interpreter(call, path, Dependencies())
    except (MtlsRunError, OSError):
        return None
    if home is None:
        return None
    folder = os.path.dirname(home)
    program = started[0][0] if started is not None else _beside(folder, answer)
    return None if program is None else PipPython(program, folder)


def culprit(reason: str, weak: Sequence[Oddity]) -> Oddity:
    """Return which of these oddities OpenSSL gave this reason for."""
    kind = DIGEST if reason == "CA_MD_TOO_WEAK" else SHORT_RSA
    fitting = [one for one in weak if one.kind == kind and (kind == DIGEST or not one.position)]
    if reason == "CA_KEY_TOO_SMALL":
        fitting = [one for one in weak if one.kind == kind and one.position]
    return (fitting or list(weak))[0]


def _beside(folder: str, answer: str) -> str | None:
    """Return the interpreter that `folder` belongs to, where pip is a script of pyenv and the like.

    The folder is PREFIX/lib/pythonX.Y/site-packages, and Debian's PREFIX/lib/python3/dist-packages.
    """
    name = "python" + answer.strip().rpartition(" (python ")[2].rstrip(")")
    program = os.path.join(folder, "..", "..", "..", "bin", name)
    return os.path.normpath(program) if os.access(program, os.X_OK) else None
