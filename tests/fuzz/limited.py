"""Read files as a run does, with little memory and time: `python -m tests.fuzz.limited KIND FILE…`.

Prints `taken`, or the code, the fact and the hint of the error that it ended with.
"""

from __future__ import annotations

import resource
import sys
import warnings
from pathlib import Path

from mtls_run.cache.dependencies import Dependencies
from mtls_run.config import layers
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.profile import Profile
from mtls_run.errors import MtlsRunError
from mtls_run.identity import checks
from mtls_run.identity.material import gather
from mtls_run.roots import certificates, stores
from mtls_run.secret import Secret
from tests.vectors.index import PASSPHRASE

# Seconds of processor time, and bytes of address space; an honest file takes a tenth of either.
SECONDS = 20
MEMORY = 1024 * 1024 * 1024
SAID = Origin("the test")


def _identity(paths: list[Path]) -> None:
    settings = [Setting(path, SAID) for path in paths] * 2
    profile = Profile("corp", SAID, client_cert=settings[0], client_key=settings[1])
    material = gather(profile)
    assert material is not None
    material.check_early(checks.utc_now())
    material.unlock(Secret(PASSPHRASE) if material.locked else None, checks.utc_now())


def _configuration(paths: list[Path]) -> None:
    layers.load({"MTLS_RUN_CONFIG": str(paths[0])}, paths[0].with_name("none.toml"))


def _roots(paths: list[Path]) -> None:
    data = stores.read_bundle(paths[0], "`ca-cert`", Dependencies())
    certificates.read_added(data, str(paths[0]), SAID)


def _store(paths: list[Path]) -> None:
    certificates.read_store(
        stores.read_bundle(paths[0], "the store", Dependencies()), str(paths[0])
    )


READERS = {
    "identity": _identity,
    "configuration": _configuration,
    "roots": _roots,
    "store": _store,
}


def main() -> None:
    """Read them."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    kind, *names = sys.argv[1:]
    try:
        READERS[kind]([Path(name) for name in names])
    except MtlsRunError as error:
        sys.stdout.write(f"{error.code}\n{error.fact}\n{error.hint}\n")
    else:
        sys.stdout.write("taken\n")


if __name__ == "__main__":
    main()
