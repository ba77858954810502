"""Find the identity of a profile in its token, log in, and take its key into use.

A PIN is tried once. Nothing here may run before a fork whose child uses the token (`cryptoki`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mtls_run.errors import IdentityError, PassphraseError
from mtls_run.identity import (
    chain,
    checks,
    cryptoki,
    extensions,
    keys,
    material,
    source,
    token_signer,
)
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.identity.token_signer import Signer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile
    from mtls_run.identity.cryptoki import Found, Handle, Token
    from mtls_run.identity.kind import KeyKind
    from mtls_run.secret import Secret

_CURVES = ("secp256r1", "secp384r1")


@dataclass(frozen=True)
class Facts:
    """What a token says of itself and of the identity in it before a PIN is given.

    `needs_pin` says that mtls-run has to give one; `tries` what the token says of the tries left.
    """

    label: str
    uri: str
    needs_pin: bool
    asks_itself: bool
    tries: str | None
    leaf: x509.Certificate | None


@dataclass(frozen=True)
class Opened:
    """A checked identity whose key is open in its token."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    kind: KeyKind
    signer: Signer

    @property
    def mechanism(self) -> str:
        """Return how the key signs, in words."""
        return self.signer.mechanism

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Return the certificates to present: the leaf, then its intermediates."""
        return (self.leaf, *self.intermediates)


class Session:
    """The token of a profile: what it shows before a PIN is given, and its key after that."""

    def __init__(
        self,
        profile: Profile,
        certificate: Setting[Path | Pkcs11Uri],
        key: Setting[Pkcs11Uri],
        where: str,
    ) -> None:
        self._profile = profile
        self._certificate = certificate
        self._key = key
        self._where = where

    def find(self) -> Token:
        """Return the token; raise IdentityError where there is not one such token."""
        return cryptoki.find_token(self._key.value, self._key.origin)

    def facts(self) -> Facts:
        """Return what the token says before it gets a PIN; raise IdentityError."""
        token = self.find()
        try:
            leaf = self._pick(self._candidates(token, None), early=True)
        except IdentityError as error:
            if error.code == "identity-ambiguous":
                raise
            leaf = None  # it may show after the PIN
        return Facts(
            label=token.label,
            uri=str(token.uri),
            needs_pin=token.needs_pin,
            asks_itself=token.asks_itself,
            tries=token.tries_left(),
            leaf=leaf.certificate if leaf else None,
        )

    def check_early(self, token: Token, now: datetime) -> None:
        """Raise IdentityError for what shows before a try of the PIN is used up."""
        try:
            leaf = self._pick(self._candidates(token, None), early=True).certificate
        except IdentityError:
            if not token.needs_pin and not token.asks_itself:
                raise
            return  # it may show after the PIN
        checks.check(leaf, self._where, now)
        _supported(leaf, self._where)
        token_signer.check_openssl(leaf)

    def open(self, token: Token, pin: Secret | None, now: datetime) -> Opened:
        """Return the identity, checked, its key ready to sign; the PIN is tried once.

        Raises PassphraseError where the PIN is missing or no text, and IdentityError for whatever
        else keeps the identity from working.
        """
        session = self._log_in(token, pin)
        try:
            candidates = self._candidates(token, session)
            picked = self._pick(candidates)
            leaf = picked.certificate
            checks.check(leaf, self._where, now)
            kind = _supported(leaf, self._where)
            raw = self._private_key(token, session, picked)
            signer = Signer(token, session, raw, leaf, pin, self._where)
            signer.check_fits()
        except IdentityError:
            cryptoki.log_out(token, session)
            raise
        above = chain.intermediates(leaf, [one.certificate for one in candidates])
        return Opened(leaf, tuple(above), kind, signer)

    def _log_in(self, token: Token, pin: Secret | None) -> Handle:
        """Return a session in which the private keys show."""
        if not token.needs_pin and not token.asks_itself:
            return cryptoki.guarded(token, token.raw.open)
        tries = token.tries_left()
        if tries and "locked" in tries and "before" not in tries:
            raise _locked(token)
        given: object = pkcs11.PROTECTED_AUTH
        if token.needs_pin:
            if pin is None:
                raise PassphraseError(
                    f"the token {token.label} needs a PIN, and there is none",
                    hint=f"store it: {self._profile.set_command}",
                )
            try:
                given = pin.reveal().decode("utf-8")
            except UnicodeDecodeError:
                raise PassphraseError(
                    f"the PIN for the token {token.label} is not UTF-8; it was not tried",
                    hint=f"store another one: {self._profile.set_command}",
                    code="passphrase-wrong",
                ) from None
        try:
            with token.module.lock:
                return token.raw.open(user_pin=given)
        except (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange):
            raise self._refusal(token, token.tries_left()) from None
        except pkcs11.PinLocked:
            raise _locked(token) from None
        except pkcs11.PKCS11Error as error:
            raise cryptoki.unusable(f"the token {token.label}", error) from None

    def _refusal(self, token: Token, tries: str | None) -> IdentityError:
        """Return the error for a PIN that was tried and refused."""
        left = tries or "each wrong PIN brings the token nearer to its lock"
        return IdentityError(
            f"the token {token.label} refuses the PIN; it was tried once: {left}",
            hint=f"make sure of the PIN, then: {self._profile.set_command}; "
            f"a stored one is deleted by: {self._profile.passphrase_command('forget')}",
            code="passphrase-wrong",
        )

    def _candidates(self, token: Token, session: Handle) -> Sequence[Found]:
        """Return the certificates among which the leaf is: a file's, or those in the token."""
        setting = self._certificate
        if not isinstance(setting.value, Pkcs11Uri):
            contents = source.read_files(self._profile, source.files_of(self._profile))
            held = material.parse(contents).certificates
            return [cryptoki.Found(one, self._key.value) for one in held]
        at = token
        if setting.value != self._key.value:
            at = cryptoki.find_token(setting.value, setting.origin)
        own = None if session is not None and at is token else cryptoki.guarded(at, at.raw.open)
        try:
            found: list[Found] = cryptoki.guarded(
                at, lambda: cryptoki.certificates(own or session, at)
            )
        finally:
            if own is not None:
                cryptoki.guarded(at, own.close)
        return found

    def _pick(self, candidates: Sequence[Found], *, early: bool = False) -> Found:
        """Return the leaf; raise IdentityError that lists what is there where there is not one."""
        uri = self._certificate.value
        leaves = [one for one in candidates if not extensions.is_authority(one.certificate)]
        if isinstance(uri, Pkcs11Uri):
            leaves = [one for one in leaves if cryptoki.means(uri, one.uri)]
        if len(leaves) == 1:
            return leaves[0]
        shown = "; ".join(f"{chain.describe(one.certificate)} {one.uri}" for one in leaves)
        if leaves:
            raise IdentityError(
                f"{self._certificate.origin}: {len(leaves)} certificates fit: {shown}",
                hint="name one of them by its id, as the URIs above do",
                code="identity-ambiguous",
            )
        others = "; ".join(f"{chain.describe(one.certificate)} {one.uri}" for one in candidates)
        raise IdentityError(
            f"{self._certificate.origin}: no client certificate fits `{uri}`; "
            f"there {'shows without a PIN' if early else 'is'}: {others or 'none'}",
            hint="name one that is there, or the certificate's file: client-cert = …, "
            "client-key = pkcs11:…",
            code="identity-no-certificate",
        )

    def _private_key(self, token: Token, session: Handle, leaf: Found) -> Handle:
        """Return the private key of the leaf: by its own URI, or by the certificate's id."""
        held: list[tuple[Handle, Pkcs11Uri]] = cryptoki.guarded(
            token, lambda: cryptoki.private_keys(session, token)
        )
        uri = self._key.value
        if uri == self._certificate.value and leaf.uri.id is not None:
            fitting = [key for key, own in held if own.id == leaf.uri.id]
        else:
            fitting = [key for key, own in held if cryptoki.means(uri, own)]
        if len(fitting) == 1:
            return fitting[0]
        shown = ", ".join(str(own) for _, own in held) or "none"
        if fitting:
            raise IdentityError(
                f"{self._key.origin}: {len(fitting)} private keys fit; the token has: {shown}",
                hint="name one of them by its id: client-key = pkcs11:…;id=…",
                code="identity-ambiguous",
            )
        raise IdentityError(
            f"{self._key.origin}: the token {token.label} has no private key for "
            f"{chain.describe(leaf.certificate)}; it has: {shown}",
            hint="name the key by its id: client-key = pkcs11:…;id=…",
            code="identity-no-key",
        )


def _locked(token: Token) -> IdentityError:
    return IdentityError(
        f"the PIN of the token {token.label} is locked",
        hint="unlock it with the PUK: the token's own program does so, or its issuer",
        code="token-locked",
    )


def _supported(leaf: x509.Certificate, where: str) -> KeyKind:
    """Return the kind of the certificate's key; raise IdentityError for one that cannot serve."""
    public = leaf.public_key()
    if isinstance(public, rsa.RSAPublicKey) or (
        isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES
    ):
        return keys.kind_of(public)
    raise IdentityError(
        f"the certificate {chain.describe(leaf)} in {where} is of a kind that mtls-run cannot "
        "sign by a token with",
        hint="ask your PKI for a key of the kind RSA, P-256 or P-384",
        code="identity-key-kind",
    )
