"""Find out what the files of an identity hold, and unlock the identity in them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from mtls_run.errors import IdentityError
from mtls_run.identity import (
    chain,
    checks,
    ciphers,
    exported,
    extensions,
    kdf_limits,
    oddities,
    pem,
    pkcs12,
    source,
)
from mtls_run.identity.keys import (
    PrivateKey,
    check_names,
    is_locked,
    is_pss,
    kind_of,
    open_key,
    open_pkcs12,
    public_bytes,
)
from mtls_run.identity.pem import Block, Kind
from mtls_run.output.text import quoted
from mtls_run.system.digests import sha256

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from mtls_run.config.profile import Profile
    from mtls_run.identity.kind import KeyKind, Oddity
    from mtls_run.secret import Secret


# A company's whole CA bundle beside the identity has some 150 certificates.
MOST = 256
# Certificates of one name cost a check of signatures each, to find the one that issued another.
MOST_OF_ONE_NAME = 16
_SHOWN = 4


@dataclass(frozen=True)
class Identity:
    """A checked identity. `ready` is its file, if every tool reads that as it stands."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    kind: KeyKind
    where: str
    ready: Path | None
    key: PrivateKey = field(repr=False)

    @property
    def described(self) -> str:
        """Return the leaf's subject and serial number."""
        return chain.describe(self.leaf)

    @property
    def not_before(self) -> float:
        """Return when its validity begins, in seconds since 1970."""
        return self.leaf.not_valid_before_utc.timestamp()

    @property
    def not_after(self) -> float:
        """Return when its validity ends, in seconds since 1970."""
        return self.leaf.not_valid_after_utc.timestamp()

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """Return what is unusual in its certificates."""
        return oddities.find((self.leaf, *self.intermediates))

    @property
    def certificates_pem(self) -> bytes:
        """Return its certificates as PEM, without the key."""
        return chain.to_pem((self.leaf, *self.intermediates))

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the leaf, in hexadecimal."""
        return sha256(chain.der(self.leaf)).hexdigest()

    def exportable_pem(self) -> Secret:
        """Return the identity as PEM, with its key unencrypted."""
        return exported.pem((self.leaf, *self.intermediates), self.key)


@dataclass(frozen=True)
class Container:
    """A PKCS#12 file, and whether it needs a passphrase."""

    block: Block
    locked: bool


@dataclass(frozen=True)
class KeyMaterial:
    """What the files of a profile hold, as far as it shows without a passphrase.

    `where` names the files in messages; `digest` is the SHA-256 of their bytes.
    """

    certificates: tuple[x509.Certificate, ...]
    keys: tuple[Block, ...]
    containers: tuple[Container, ...]
    locked: bool
    where: str
    ready: Path | None
    digest: str
    asks_for: ClassVar[str] = "passphrase"

    @property
    def is_slow(self) -> bool:
        """Tell whether a person notices how long it takes to open."""
        blocks = (*self.keys, *(container.block for container in self.containers))
        return any(map(kdf_limits.is_slow, blocks))

    def unlock(self, passphrase: Secret | None, now: datetime) -> Identity:
        """Return the identity; open its key with `passphrase` where it is locked.

        Raises WrongPassphraseError where another passphrase may open it, and IdentityError where
        the identity cannot work.
        """
        certificates = list(self.certificates)
        keys: list[tuple[PrivateKey, str]] = []
        for container in self.containers:
            opener = passphrase if container.locked else None
            key, held = open_pkcs12(container.block, opener)
            certificates += held
            keys += [(key, container.block.where)] if key else []
        keys += [(open_key(block, passphrase), block.where) for block in self.keys]
        key = _only_key(keys, self.where)
        certificates = chain.unique(certificates)
        if len(certificates) > MOST:
            raise _too_many(self.where)
        names = Counter(found.subject for found in certificates)
        if max(names.values(), default=0) > MOST_OF_ONE_NAME:
            raise IdentityError(
                f"{self.where} holds more than {MOST_OF_ONE_NAME} certificates of one name",
                hint="keep the certificate and its chain, and remove the others from the file",
                code="identity-ambiguous",
            )
        if not certificates:
            raise _no_certificate(self.where)
        leaf = chain.find_leaf(certificates, public_bytes(key), self.where)
        checks.check(leaf, self.where, now)
        intermediates = chain.intermediates(leaf, certificates)
        in_order = [leaf, *intermediates] == list(self.certificates)
        return Identity(
            leaf=leaf,
            intermediates=tuple(intermediates),
            kind=kind_of(key, pss=is_pss(leaf)),
            where=self.where,
            ready=self.ready if in_order else None,
            key=key,
        )

    def may_hold(self, leaf: x509.Certificate) -> bool:
        """Tell whether the leaf may be in it: it is, or a passphrase hides the certificates."""
        return bool(self.containers) or leaf in self.certificates

    def check_early(self, now: datetime) -> None:
        """Raise IdentityError for a fault that shows before anybody is asked for a passphrase."""
        if not self.containers:
            if not self.keys:
                raise _no_key(self.where)
            if not self.certificates:
                raise _no_certificate(self.where)
        if self.locked:
            leaves = [found for found in self.certificates if not extensions.is_authority(found)]
            if len(leaves) == 1 and not self.containers:
                checks.check(leaves[0], self.where, now)


def gather(profile: Profile) -> KeyMaterial | None:
    """Return what the files of the profile's identity hold, or None where it has no identity.

    Raises IdentityError for a file that cannot be read, or that holds nothing which is accepted.
    """
    contents = source.read(profile)
    return parse(contents) if contents else None


def parse(contents: list[tuple[Path, bytes]]) -> KeyMaterial:
    """Return what these files, given with their bytes, hold together; raise as `gather` does."""
    where = source.named(path for path, _ in contents)
    split = [pem.split(data, str(path)) for path, data in contents]
    blocks = [block for found in split for block in found.items]
    if len(blocks) > MOST:
        raise _too_many(where)
    keys = tuple(block for block in blocks if block.kind in (Kind.KEY, Kind.LOCKED_KEY))
    containers = tuple(
        Container(block, is_locked(block)) for block in blocks if block.kind is Kind.PKCS12
    )
    certificates = chain.load_all(blocks)
    for one in certificates:
        check_names(one, where)
    for container in containers:
        names = pkcs12.key_names(container.block.content)
        if len(names) > 1:
            raise _several_entries(container.block, names)
    for key in keys:
        if key.kind is Kind.LOCKED_KEY:
            ciphers.check(key)
    if len(keys) + len(containers) > 1:
        keys = _drop_repeated(keys)
    if len(keys) > 1:
        raise _several_keys(where, [block.where for block in keys])
    return KeyMaterial(
        certificates=tuple(certificates),
        keys=keys,
        containers=containers,
        locked=any(is_locked(block) for block in keys) or any(item.locked for item in containers),
        where=where,
        ready=contents[0][0] if len(contents) == 1 and split[0].plain else None,
        digest=source.digest(contents),
    )


def _drop_repeated(keys: tuple[Block, ...]) -> tuple[Block, ...]:
    return tuple({block.content: block for block in keys}.values())


def _only_key(keys: list[tuple[PrivateKey, str]], where: str) -> PrivateKey:
    distinct = {public_bytes(key): (key, found) for key, found in keys}
    if not distinct:
        raise _no_key(where)
    if len(distinct) > 1:
        raise _several_keys(where, [found for _, found in distinct.values()])
    return next(iter(distinct.values()))[0]


def _several_keys(where: str, found: list[str]) -> IdentityError:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return IdentityError(
        f"{where} holds {len(found)} private keys: {'; '.join(found[:_SHOWN])}{more}",
        hint="keep the key of the certificate, and remove the others; mtls-run does not choose",
        code="identity-ambiguous",
    )


def _several_entries(block: Block, names: list[str]) -> IdentityError:
    file = quoted(block.file)
    return IdentityError(
        f"{block.where} holds {len(names)} private keys: {', '.join(names)}",
        hint=f"put the one that is meant into a file of its own: keytool -importkeystore "
        f"-srckeystore {file} -srcalias {quoted(names[0])} -destkeystore "
        f"{quoted(block.file + '.one.p12')} -deststoretype pkcs12",
        code="identity-ambiguous",
    )


def _too_many(where: str) -> IdentityError:
    return IdentityError(
        f"{where} holds more than {MOST} certificates and keys: no identity has so many",
        hint="keep the certificate, its chain and its key, and remove the others from the file",
        code="identity-ambiguous",
    )


def _no_key(where: str) -> IdentityError:
    return IdentityError(
        f"{where} has no private key",
        hint='name the key\'s file: client-key = "…"',
        code="identity-no-key",
    )


def _no_certificate(where: str) -> IdentityError:
    return IdentityError(
        f"{where} has no certificate, only a key",
        hint="name the certificate in client-cert, and the key in client-key",
        code="identity-no-certificate",
    )
