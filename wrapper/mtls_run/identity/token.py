"""An identity whose private key is in a token (PKCS#11) and cannot leave it.

This is the one module that imports sslcontext, which makes OpenSSL ask Python for each signature
(docs/decisions/0014-hardware-keys.md). `open` and all after it belong into the process that signs:
PKCS#11 promises nothing to a child of a process that has loaded a module.
"""

from __future__ import annotations

import logging
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from mtls_run.errors import IdentityError, PassphraseError
from mtls_run.identity import chain, checks, extensions, keys, material, source
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.system import hardening, installer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import ModuleType
    from typing import Any

    from cryptography import x509

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile
    from mtls_run.identity.cryptoki import Found, Token
    from mtls_run.identity.kind import KeyKind
    from mtls_run.secret import Secret

EXTRAS = "gateway,pkcs11"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
# RFC 8017, section 9.2, note 1: the DER of DigestInfo up to the digest.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
_PROBE = b"\x5a" * 32  # a digest that is signed to see whether the key fits
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
    """A checked identity whose key is open in its token, and how it signs, in words."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    kind: KeyKind
    mechanism: str

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Return the certificates to present: the leaf, then its intermediates."""
        return (self.leaf, *self.intermediates)


@dataclass(frozen=True)
class PinAlone:
    """Stands for the key where a PIN is to be had and not to be tried (`passphrase.unlock`)."""

    where: str
    asks_for: str = "PIN"

    def unlock(self, passphrase: Secret | None, now: datetime) -> Secret:
        """Return the PIN, untried."""
        del now
        assert passphrase is not None
        return passphrase


class TokenIdentity:
    """The identity of a profile whose key is in a token.

    `inspect` gives no PIN. `open` gives it once: after a failure it raises the same error again
    without asking the token. `load` makes an SSL context sign by the token, in any thread.
    """

    def __init__(
        self,
        profile: Profile,
        certificate: Setting[Path | Pkcs11Uri],
        key: Setting[Pkcs11Uri],
    ) -> None:
        self._profile = profile
        self._certificate = certificate
        self._key = key
        self._signer: _Signer | None = None
        self._opened: Opened | None = None
        self._refused: IdentityError | None = None
        self._lock = threading.Lock()

    @property
    def where(self) -> str:
        """Return the name of the token and its certificate for messages."""
        uri = self._key.value
        own = Pkcs11Uri(token=uri.token, object=uri.object, id=uri.id, serial=uri.serial)
        return str(own if own != Pkcs11Uri() else uri)

    @property
    def pin(self) -> PinAlone:
        """Return what stands for this identity in a request for its PIN."""
        return PinAlone(self.where)

    @property
    def failure(self) -> IdentityError | None:
        """Return why the last signature failed: OpenSSL reports no more than a failed handshake."""
        return self._refused or (self._signer.failure if self._signer else None)

    def inspect(self) -> Facts:
        """Return what the token says before it gets a PIN.

        Raises IdentityError where the extra is missing, or where there is not one such token.
        """
        cryptoki = _cryptoki()
        token = cryptoki.find_token(self._key.value, self._key.origin)
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

    def open(self, pin: Secret | None, now: datetime | None = None) -> Opened:
        """Return the identity, checked, its key ready to sign; the PIN is tried once.

        Raises PassphraseError where the PIN is wrong or missing, and IdentityError for whatever
        else keeps the identity from working.
        """
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._opened is None:
                hardening.disable_core_dumps()
                self._opened = self._open(pin, now or checks.utc_now())
            return self._opened

    def load(self, context: ssl.SSLContext) -> None:
        """Make the context present this identity and sign by the token; `open` comes first.

        Raises IdentityError where this Python's OpenSSL cannot be made to.
        """
        opened, signer = self._opened, self._signer
        assert opened is not None
        assert signer is not None
        if opened.kind.name.startswith("RSA") and not signer.supports_pss:
            _limit_to_tls_1_2(context, self.where)
        _load(context, opened.chain, signer)

    def close(self) -> None:
        """Log out, and give the token back."""
        if self._signer is not None:
            self._signer.close()

    def _open(self, pin: Secret | None, now: datetime) -> Opened:
        cryptoki = _cryptoki()
        token = cryptoki.find_token(self._key.value, self._key.origin)
        # An expired certificate is found before a try of the PIN is used up.
        early = None
        try:
            early = self._pick(self._candidates(token, None), early=True)
        except IdentityError as error:
            if not token.needs_pin and not token.asks_itself:
                raise error from None
        if early is not None:
            checks.check(early.certificate, self.where, now)
            _supported(early.certificate, self.where)
            _check_openssl(early.certificate)
        session = self._log_in(token, pin)
        try:
            return self._with_key(token, session, pin, now)
        except IdentityError as error:
            self._refused = error
            _log_out(token, session)
            raise

    def _with_key(
        self,
        token: Token,
        session: Any,  # noqa: ANN401 - see cryptoki
        pin: Secret | None,
        now: datetime,
    ) -> Opened:
        """Return the identity that the session shows, its key ready to sign."""
        candidates = self._candidates(token, session)
        picked = self._pick(candidates)
        leaf = picked.certificate
        checks.check(leaf, self.where, now)
        kind = _supported(leaf, self.where)
        raw = self._private_key(token, session, picked)
        signer = _Signer(token, session, raw, leaf, pin, self.where)
        signer.check_fits()
        self._signer = signer
        above = chain.intermediates(leaf, [one.certificate for one in candidates])
        return Opened(leaf, tuple(above), kind, signer.mechanism)

    def _log_in(self, token: Token, pin: Secret | None) -> Any:  # noqa: ANN401 - see cryptoki
        """Return a session in which the private keys show."""
        import pkcs11  # noqa: PLC0415 - the extra; `_cryptoki` has seen to it

        if not token.needs_pin and not token.asks_itself:
            return _guarded(token, token.raw.open)
        tries = token.tries_left()
        if tries and "locked" in tries and "before" not in tries:
            raise self._refuse(f"the PIN of the token {token.label} is locked", None)
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
            fact = f"the token {token.label} refuses the PIN"
            raise self._refuse(fact, token.tries_left()) from None
        except pkcs11.PinLocked:
            raise self._refuse(f"the PIN of the token {token.label} is locked", None) from None
        except pkcs11.PKCS11Error as error:
            # It may have used up a try all the same.
            self._refused = _cryptoki().unusable(f"the token {token.label}", error)
            raise self._refused from None

    def _refuse(self, fact: str, tries: str | None) -> IdentityError:
        """Return the error for a PIN that was refused, and keep it: no PIN is tried again."""
        name = self._profile.name
        if "locked" in fact:
            hint = "unlock it with the PUK: the token's own program does so, or its issuer"
            self._refused = IdentityError(fact, hint=hint, code="token-locked")
        else:
            left = tries or "each wrong PIN brings the token nearer to its lock"
            self._refused = IdentityError(
                f"{fact}; it was tried once: {left}",
                hint=f"make sure of the PIN, then: {self._profile.set_command}; "
                f"a stored one is deleted by: mtls-run passphrase forget {name or ''}".rstrip(),
                code="passphrase-wrong",
            )
        return self._refused

    def _candidates(self, token: Token, session: Any) -> Sequence[Found]:  # noqa: ANN401
        """Return the certificates among which the leaf is: a file's, or those in the token."""
        cryptoki = _cryptoki()
        setting = self._certificate
        if not isinstance(setting.value, Pkcs11Uri):
            contents = source.read_files(self._profile, source.files_of(self._profile))
            held = material.parse(contents).certificates
            return [cryptoki.Found(one, self._key.value) for one in held]
        at = token
        if setting.value != self._key.value:
            at = cryptoki.find_token(setting.value, setting.origin)
        own = None if session is not None and at is token else _guarded(at, at.raw.open)
        try:
            found: list[Found] = _guarded(at, lambda: cryptoki.certificates(own or session, at))
        finally:
            if own is not None:
                _guarded(at, own.close)
        return found

    def _pick(self, candidates: Sequence[Found], *, early: bool = False) -> Found:
        """Return the leaf; raise IdentityError that lists what is there where there is not one."""
        cryptoki = _cryptoki()
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

    def _private_key(self, token: Token, session: Any, leaf: Found) -> Any:  # noqa: ANN401
        """Return the private key of the leaf: by its own URI, or by the certificate's id."""
        cryptoki = _cryptoki()
        held: list[tuple[Any, Pkcs11Uri]] = _guarded(
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


class _Signer:
    """Signs digests by a private key in a token (sslcontext's `Signer`)."""

    def __init__(
        self,
        token: Token,
        session: Any,  # noqa: ANN401 - see cryptoki
        key: Any,  # noqa: ANN401
        leaf: x509.Certificate,
        pin: Secret | None,
        where: str,
    ) -> None:
        from pkcs11 import Attribute, Mechanism  # noqa: PLC0415 - the extra

        self.failure: IdentityError | None = None
        self._token, self._session, self._key = token, session, key
        self._public = leaf.public_key()
        self._where = where
        self.supports_pss = Mechanism.RSA_PKCS_PSS in token.mechanisms
        always = _cryptoki().attribute(key, Attribute.ALWAYS_AUTHENTICATE)
        # A smart card's signature key wants the PIN before every signature; others never again.
        self._pin = pin if always else None
        self._usable = True

    @property
    def mechanism(self) -> str:
        """Return how the key signs, in words."""
        if isinstance(self._public, ec.EllipticCurvePublicKey):
            return "ECDSA"
        return "RSA-PSS" if self.supports_pss else "RSA PKCS#1 v1.5, so TLS 1.2 alone"

    def sign(
        self,
        digest: bytes,
        *,
        hash: str,  # noqa: A002 - sslcontext's name
        padding: Any = None,  # noqa: ANN401 - sslcontext's enumeration
        salt_length: int | None = None,
    ) -> bytes:
        """Return the signature of the digest, as TLS has it; a failure is kept for `failure`."""
        is_pss = getattr(padding, "value", None) == "pss"
        try:
            return self._sign(digest, hash, is_pss=is_pss, salt=salt_length or len(digest))
        except IdentityError as error:
            self.failure = error
            raise

    def check_fits(self) -> None:
        """Raise IdentityError where the key does not belong to the certificate, or cannot sign."""
        signature = self._sign(_PROBE, "sha256", is_pss=self.supports_pss, salt=len(_PROBE))
        digest, public = Prehashed(hashes.SHA256()), self._public
        try:
            if isinstance(public, rsa.RSAPublicKey):
                form: padding.AsymmetricPadding = padding.PKCS1v15()
                if self.supports_pss:
                    form = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
                public.verify(signature, _PROBE, form, digest)
            else:
                assert isinstance(public, ec.EllipticCurvePublicKey)
                public.verify(signature, _PROBE, ec.ECDSA(digest))
        except InvalidSignature:
            raise IdentityError(
                f"the key in the token does not belong to the certificate: {self._where}",
                hint="name the key that the certificate was issued for: client-key = pkcs11:…;id=…",
                code="identity-key-mismatch",
            ) from None

    def close(self) -> None:
        """Log out."""
        self._usable = False
        _log_out(self._token, self._session)

    def _sign(self, digest: bytes, name: str, *, is_pss: bool, salt: int) -> bytes:
        import pkcs11  # noqa: PLC0415 - the extra
        from pkcs11 import MGF, Mechanism  # noqa: PLC0415 - the extra

        if name not in _HASHES or not self._usable:
            raise IdentityError(
                f"the token cannot sign for {name}: {self._where}"
                if self._usable
                else f"the token refused the PIN before: {self._where}",
                hint="use a server that takes SHA-256",
                code="token-failed",
            )
        parameters: tuple[Any, Any, int] | None = None
        if isinstance(self._public, ec.EllipticCurvePublicKey):
            mechanism, data = Mechanism.ECDSA, digest[: (self._public.key_size + 7) // 8]
        elif is_pss:
            mechanism, data = Mechanism.RSA_PKCS_PSS, digest
            upper = name.upper()
            parameters = (getattr(Mechanism, upper), getattr(MGF, upper), salt)
        else:
            mechanism, data = Mechanism.RSA_PKCS, _DIGEST_INFO[name] + digest
        options: dict[str, Any] = {"mechanism": mechanism}
        if parameters is not None:
            options["mechanism_param"] = parameters
        if self._pin is not None:
            options["pin"] = self._pin.reveal().decode("utf-8")
        try:
            with self._token.module.lock:
                raw = bytes(self._key.sign(data, **options))
        except pkcs11.PKCS11Error as error:
            if isinstance(error, (pkcs11.PinIncorrect, pkcs11.PinLocked)):
                self._usable = False
            raise _cryptoki().unusable(
                f"the token {self._token.label} does not sign", error
            ) from None
        if mechanism is not Mechanism.ECDSA:
            return raw
        half = len(raw) // 2
        return encode_dss_signature(
            int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        )


def of(profile: Profile) -> TokenIdentity | None:
    """Return the identity of the profile where its key is in a token, else None; read nothing."""
    certificate, key = profile.client_cert, profile.client_key or profile.client_cert
    if certificate is None or key is None or not isinstance(key.value, Pkcs11Uri):
        return None
    return TokenIdentity(profile, certificate, key)  # type: ignore[arg-type] # key is narrowed


def listing(uri: Pkcs11Uri, origin: object) -> Iterator[tuple[Token, list[Found]]]:
    """Yield each token that the URI may mean, with the certificates that show without a PIN."""
    yield from _cryptoki().listing(uri, origin)


def _missing(error: ModuleNotFoundError) -> IdentityError:
    return IdentityError(
        f"a key in a token needs the package {error.name}, which is not installed",
        hint=installer.add_command(EXTRAS),
        code="token-extra-missing",
    )


def _cryptoki() -> ModuleType:
    """Return the module that reads tokens; raise IdentityError where the extra is missing."""
    try:
        from mtls_run.identity import cryptoki  # noqa: PLC0415 - the extra
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    return cryptoki


def _sslcontext() -> ModuleType:
    """Return sslcontext; raise IdentityError where the extra is missing."""
    try:
        import sslcontext  # noqa: PLC0415 - the extra
    except ModuleNotFoundError as error:
        raise _missing(error) from None
    # It logs each failed signature with a traceback, and `failure` has the reason.
    logger = logging.getLogger("sslcontext")
    logger.propagate, logger.disabled = False, True
    return sslcontext


def _guarded(token: Token, call: Any) -> Any:  # noqa: ANN401 - see cryptoki
    """Return what the call returns, made under the module's lock; a fault becomes an error."""
    import pkcs11  # noqa: PLC0415 - the extra

    try:
        with token.module.lock:
            return call()
    except pkcs11.PKCS11Error as error:
        raise _cryptoki().unusable(f"the token {token.label}", error) from None


class _NoSigner:
    """Stands for a signer where a context is never used."""

    def sign(self, digest: bytes, **_: object) -> bytes:
        """Fail: nobody asks."""
        raise NotImplementedError


def _check_openssl(leaf: x509.Certificate) -> None:
    """Raise IdentityError where this Python's OpenSSL cannot be made to ask for signatures."""
    import ssl  # noqa: PLC0415 - where a token signs alone

    _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), (leaf,), _NoSigner())


def _load(
    context: ssl.SSLContext, presented: Sequence[x509.Certificate], signer: _Signer | _NoSigner
) -> None:
    sslcontext = _sslcontext()
    leaf, *above = map(chain.der, presented)
    try:
        sslcontext.load_identity(context, sslcontext.Identity(leaf, signer, tuple(above)))
    except (sslcontext.SSLContextError, ValueError) as error:
        raise IdentityError(
            f"the OpenSSL of {sys.executable} cannot sign by a token: {error}",
            # The Pythons that uv downloads have OpenSSL built in, and hide its symbols.
            hint=f"install mtls-run by another Python: "
            f"uv tool install --force --python /usr/bin/python3 'mtls-run[{EXTRAS}]'",
            code="token-failed",
        ) from None


def _limit_to_tls_1_2(context: ssl.SSLContext, where: str) -> None:
    """Keep the context from TLS 1.3, which has no RSA signature but PSS (RFC 8446, 4.2.3)."""
    from ssl import TLSVersion  # noqa: PLC0415 - where a connection is made alone

    if context.minimum_version == TLSVersion.TLSv1_3:
        raise IdentityError(
            f"the token cannot sign by RSA-PSS, which TLS 1.3 needs: {where}",
            hint="use an EC key, or a server that takes TLS 1.2",
            code="identity-key-kind",
        )
    context.maximum_version = TLSVersion.TLSv1_2


def _log_out(token: Token, session: Any) -> None:  # noqa: ANN401 - see cryptoki
    import pkcs11  # noqa: PLC0415 - the extra

    try:
        with token.module.lock:
            session.close()
    except pkcs11.PKCS11Error:
        return  # the token is gone, and with it the session


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
