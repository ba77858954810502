"""A real installation of mtls-run, by install.sh, in a home directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installation:
    """The environment that install.sh made."""

    home: Path

    @property
    def program(self) -> str:
        """The command as a user starts it: the launcher that install.sh wrote, by its own path."""
        return str((self.home / ".local/bin/mtls-run").resolve(strict=True))

    @property
    def bin(self) -> Path:
        """Where the launcher, its Python and keyring's own command are."""
        return Path(self.program).parent

    @property
    def python(self) -> str:
        """The Python that the launcher names."""
        return str(self.bin / "python")


def install(home: Path) -> Installation:
    """Install the clone with the Python that runs this; packages come from where pip finds them."""
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "XDG_DATA_HOME"}
    environment.setdefault("XDG_CONFIG_HOME", str(Path.home() / ".config"))  # pip's settings
    environment["HOME"] = str(home)
    command = ["sh", str(REPOSITORY / "install.sh"), "--python", os.path.realpath(sys.executable)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"install.sh ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return Installation(home)
