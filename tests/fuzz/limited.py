"""Reads files as a run reads an identity's, with little memory and time: `… KIND FILE…`.

Prints `taken`, or the code, the fact and the hint of the error that it ended with.
"""

from __future__ import annotations

import resource
import sys
import warnings
from pathlib import Path

# Seconds of processor time, and bytes of address space; an honest file takes a tenth of either.
SECONDS = 20
MEMORY = 1024 * 1024 * 1024


def main() -> None:
    """Read them."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")

    from mtls_run.errors import MtlsRunError  # noqa: PLC0415 - within the limits

    kind, *names = sys.argv[1:]
    try:
        READERS[kind]([Path(name) for name in names])
    except MtlsRunError as error:
        sys.stdout.write(f"{error.code}\n{error.fact}\n{error.hint}\n")
    else:
        sys.stdout.write("taken\n")


def _identity(paths: list[Path]) -> None:
    from mtls_run.config.origin import Origin, Setting  # noqa: PLC0415
    from mtls_run.config.profile import Profile  # noqa: PLC0415
    from mtls_run.identity import checks  # noqa: PLC0415
    from mtls_run.identity.material import gather  # noqa: PLC0415
    from mtls_run.secret import Secret  # noqa: PLC0415

    from .seeds import PASSPHRASE  # noqa: PLC0415

    said = Origin("the test")
    settings = [Setting(path, said) for path in paths] * 2
    profile = Profile("corp", said, client_cert=settings[0], client_key=settings[1])
    material = gather(profile)
    assert material is not None
    material.check_early(checks.utc_now())
    material.unlock(Secret(PASSPHRASE) if material.locked else None, checks.utc_now())


def _configuration(paths: list[Path]) -> None:
    from mtls_run.config import layers  # noqa: PLC0415

    layers.load({"MTLS_RUN_CONFIG": str(paths[0])}, paths[0].with_name("none.toml"))


def _roots(paths: list[Path]) -> None:
    from mtls_run.config.origin import Origin  # noqa: PLC0415
    from mtls_run.roots import certificates, stores  # noqa: PLC0415

    data = stores.read_bundle(paths[0], "`ca-cert`")
    certificates.read_added(data, str(paths[0]), Origin("the test"))


def _store(paths: list[Path]) -> None:
    from mtls_run.roots import certificates, stores  # noqa: PLC0415

    certificates.read_store(stores.read_bundle(paths[0], "the store"), str(paths[0]))


READERS = {
    "identity": _identity,
    "configuration": _configuration,
    "roots": _roots,
    "store": _store,
}


if __name__ == "__main__":
    main()
