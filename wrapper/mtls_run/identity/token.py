"""An identity whose private key is in a token (PKCS#11) and cannot leave it.

The packages of the extra `pkcs11` are imported when a token is first asked. `open` and all after it
belong into the process that signs: PKCS#11 promises nothing to a child of a process that has loaded
a module.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtls_run.errors import IdentityError
from mtls_run.identity import validity
from mtls_run.identity.pkcs11_uri import Pkcs11Uri
from mtls_run.system import hardening, installer, progress

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path
    from types import ModuleType

    from mtls_run.config.origin import Setting
    from mtls_run.config.profile import Profile
    from mtls_run.identity.cryptoki import Found, Token
    from mtls_run.identity.token_session import Facts, Opened, Session
    from mtls_run.secret import Secret


@dataclass(frozen=True)
class PinAlone:
    """Stands for the key where a PIN is to be had and not to be tried (`passphrase.unlock`)."""

    where: str
    asks_for: str = "PIN"
    is_slow: bool = False

    def unlock(self, passphrase: Secret | None, now: datetime) -> Secret:
        """Return the PIN, untried."""
        del now
        assert passphrase is not None
        return passphrase


class TokenIdentity:
    """The identity of a profile whose key is in a token.

    `inspect` gives no PIN. `open` gives it once: after a failure it raises the same error again
    without asking the token. `load` makes an SSL context sign by the token, in any thread. Without
    `quiet`, the first two tell a terminal that they wait for the token.
    """

    def __init__(
        self,
        profile: Profile,
        certificate: Setting[Path | Pkcs11Uri],
        key: Setting[Pkcs11Uri],
        *,
        quiet: bool = True,
    ) -> None:
        self._profile = profile
        self._quiet = quiet
        self._certificate = certificate
        self._key = key
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
        return self._refused or (self._opened.signer.failure if self._opened else None)

    def inspect(self) -> Facts:
        """Return what the token says before it gets a PIN.

        Raises IdentityError where the extra is missing, or where there is not one such token.
        """
        with self._progress():
            return self._session().facts()

    def open(self, pin: Secret | None, now: datetime | None = None) -> Opened:
        """Return the identity, checked, its key ready to sign; the PIN is tried once.

        Raises PassphraseError where the PIN is missing or no text, and IdentityError for whatever
        else keeps the identity from working.
        """
        with self._progress(), self._lock:
            if self._refused is not None:
                raise self._refused
            if self._opened is None:
                hardening.disable_core_dumps()
                session, now = self._session(), now or validity.utc_now()
                token = session.find()
                session.check_early(token, now)
                try:
                    self._opened = session.open(token, pin, now)
                except IdentityError as error:
                    self._refused = error
                    raise
            return self._opened

    def load(self, context: ssl.SSLContext) -> None:
        """Make the context present this identity and sign by the token; `open` comes first.

        Raises IdentityError where this Python's OpenSSL cannot be made to.
        """
        assert self._opened is not None
        self._opened.signer.load(context, self._opened.chain)

    def close(self) -> None:
        """Log out, and give the token back."""
        if self._opened is not None:
            self._opened.signer.close()

    def _progress(self) -> AbstractContextManager[None]:
        return progress.shown(lambda: f"connecting to {self.where}", quiet=self._quiet)

    def _session(self) -> Session:
        found: Session = _token_session().Session(
            self._profile, self._certificate, self._key, self.where
        )
        return found


def of(profile: Profile, *, quiet: bool = True) -> TokenIdentity | None:
    """Return the identity of the profile where its key is in a token, else None; read nothing."""
    certificate, key = profile.client_cert, profile.client_key or profile.client_cert
    if certificate is None or key is None or not isinstance(key.value, Pkcs11Uri):
        return None
    return TokenIdentity(profile, certificate, key, quiet=quiet)  # type: ignore[arg-type] # narrowed


def listing(uri: Pkcs11Uri, origin: object) -> Iterator[tuple[Token, list[Found]]]:
    """Yield each token that the URI may mean, with the certificates that show without a PIN."""
    yield from _token_session().cryptoki.listing(uri, origin)


def _token_session() -> ModuleType:
    """Return the module that talks to tokens; raise IdentityError where the extra is missing."""
    try:
        from mtls_run.identity import token_session  # noqa: PLC0415 - the extra
    except ModuleNotFoundError as error:
        raise IdentityError(
            f"a key in a token needs the package {error.name}, which is not installed",
            hint=installer.add_command(installer.FOR_TOKENS),
            code="token-extra-missing",
        ) from None
    return token_session
