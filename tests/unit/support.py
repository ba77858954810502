"""What the unit tests share: files that are configurations, profiles and identities."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mtls_run import plan
from mtls_run.config import layers
from mtls_run.config.origin import Origin, Setting
from mtls_run.config.profile import Profile
from mtls_run.identity.material import parse
from mtls_run.output import Reporter
from mtls_run.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mtls_run.cache.launches import Launch
    from mtls_run.config.layers import Configuration
    from mtls_run.identity.material import KeyMaterial
    from mtls_run.passphrase.sources import PassphraseSource
    from mtls_run.tools.base import Target, TlsFiles, Variables

SAID = Origin("the test")


def configured(
    folder: Path, user: str | bytes | None, system: str | bytes | None = None
) -> Configuration:
    """Return the configuration of a user file, and of a system file, with these contents."""
    paths = []
    for name, text in (("system", system), ("user", user)):
        path = folder / name / "config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        paths.append(path)
    environ = {} if user is None else {"MTLS_RUN_CONFIG": str(paths[1])}
    return layers.load(environ, paths[0])


def profile(
    *,
    name: str | None = "corp",
    client_cert: Path | None = None,
    client_key: Path | None = None,
    ca_cert: tuple[Path, ...] | None = None,
    roots: str = "system",
    passphrase: PassphraseSource | None = None,
) -> Profile:
    """Return a profile of these values, each said by the test."""
    found = Profile(
        name=name,
        origin=SAID,
        client_cert=None if client_cert is None else Setting(client_cert, SAID),
        client_key=None if client_key is None else Setting(client_key, SAID),
        ca_cert=None if ca_cert is None else Setting(ca_cert, SAID),
        roots=Setting(roots, SAID),
    )
    if passphrase is None:
        return found
    return Profile(**{**found.__dict__, "passphrase": Setting(passphrase, SAID)})


def material(*contents: bytes) -> KeyMaterial:
    """Return what files with these bytes hold together."""
    return parse([(Path(f"/pki/file{n}"), data) for n, data in enumerate(contents, 1)])


def secret(text: str | None) -> Secret | None:
    """Return the text as a secret."""
    return None if text is None else Secret(text.encode())


def prepared(
    target: Target,
    tls: TlsFiles,
    environ: Mapping[str, str] | None = None,
    *,
    using: Profile | None = None,
    added: Variables | None = None,
) -> Launch:
    """Return the launch that hands `tls` to the tool, for a profile that says nothing else."""
    return plan.prepare(target, using or profile(), tls, added or {}, environ or {})


class Heard(Reporter):
    """A reporter that keeps what it is given to say."""

    def __init__(self) -> None:
        super().__init__()
        self.notices: list[str] = []
        self.details: list[str] = []

    def notice(self, fact: str, *, once_a_day: bool = False) -> None:
        """Keep the notice."""
        del once_a_day
        self.notices.append(fact)

    def detail(self, fact: str) -> None:
        """Keep the decision."""
        self.details.append(fact)


@contextmanager
def working_in(folder: Path) -> Iterator[Path]:
    """Make `folder` the current directory for as long as the context lasts."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)
