"""When an identity is renewed, what a command may print, and what a failure does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from mtls_run.cache import results, store
from mtls_run.config.origin import Setting
from mtls_run.errors import IdentityError
from mtls_run.renewal import printed, state
from mtls_run.renewal.schedule import Life, retry_after, spread
from mtls_run.renewal.turn import WAIT, Turn
from mtls_run.system import locks
from mtls_run.system.command import Command
from tests.cli.support import ISSUER
from tests.pki import key_pem, make_key
from tests.short_lived import credential, living, stamp
from tests.unit.support import SAID, Heard, profile

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Callable

    from mtls_run.renewal.printed import Obtained
    from tests.pki import Issued

HOUR = 3600.0


@pytest.mark.parametrize(
    ("life", "due", "urgent"),
    [
        (Life(0, 9 * HOUR), 6 * HOUR, 9 * HOUR - 30),
        (Life(0, 9 * HOUR, HOUR), 8 * HOUR, 9 * HOUR - 30),
        (Life(0, 9 * HOUR, 10 * HOUR), 6 * HOUR, 9 * HOUR - 30),  # else due from its first second
        (Life(0, 60), 40, 50),
        (Life(0, 30 * HOUR, spread=0.5), 20.5 * HOUR, 30 * HOUR - 30),
        (Life(0, 30 * HOUR, 20 * HOUR, 1.0), 12 * HOUR, 30 * HOUR - 30),
        (Life(0, 60, spread=1.0), 42, 50),
    ],
)
def test_when_it_is_due(life: Life, due: float, urgent: float) -> None:
    """It is due in the last third or `before` its end, and urgent in the last 30 s.

    Its spread puts that off by a tenth of this time at most.
    """
    assert (life.due_at, life.urgent_at) == (due, urgent)


def test_spread() -> None:
    """A fingerprint has one spread, and those of many certificates lie from 0 to 1."""
    found = [spread(sha256(str(number).encode()).hexdigest()) for number in range(400)]
    assert spread("0" * 64) == 0
    assert 0.99 < spread("f" * 64) < 1
    for part in range(10):
        assert 20 < sum(part <= 10 * one < part + 1 for one in found) < 65


def test_back_off() -> None:
    """The first failure waits a minute, the fifth and later ones fifteen."""
    assert [retry_after(count) / 60 for count in range(7)] == [0, 1, 2, 4, 8, 15, 15]
    assert retry_after(10**9) == 900


def test_a_clock_that_was_set_back() -> None:
    """A failure that lies in the future puts no attempt off."""
    state.failed("k", "it is away")
    assert state.load("k").retry_at > time.time() + 50
    results.store("renewal", "k", [repr(time.time() + HOUR), "5", "it is away", "0.0", "0.0"])
    assert state.load("k").retry_at == 0.0


@pytest.mark.parametrize("fields", [[], ["x"], ["1", "2", "3", "4", "5"], ["nan"] * 5])
def test_a_state_that_is_none(fields: list[str]) -> None:
    """What somebody else stored there counts for nothing."""
    results.store("renewal", "k", fields)
    assert state.load("k").retry_at <= time.time()


class Cell:
    """An identity that a turn renews: its life, and what a renewal does."""

    def __init__(self, life: Life | None, renew: Callable[[], Life]) -> None:
        self.life = life
        self.renewals = 0
        self.heard = Heard()
        self._renew = renew

    def take(self, *, is_asked: bool = False, patience: float = WAIT) -> Life:
        """Take a turn."""
        return Turn(
            key="k",
            what="it",
            look=lambda: self.life,
            life=lambda found: found,
            renew=self.renew,
            reporter=self.heard,
            is_asked=is_asked,
            patience=patience,
        ).take()

    def renew(self) -> Life:
        """Renew it."""
        self.renewals += 1
        self.life = self._renew()
        return self.life


def life(left: float, before: float | None = None) -> Life:
    """Return a life of an hour of which so many seconds are left."""
    return Life(time.time() + left - HOUR, time.time() + left, before)


def fails() -> Life:
    """Fail as a command does."""
    raise IdentityError("the CA is away", hint="wait", code="renewal-failed")


def test_fresh_is_left_alone() -> None:
    """What is not due is used as it is."""
    cell = Cell(life(HOUR / 2), fails)
    assert cell.take() is cell.life
    assert cell.renewals == 0


def test_due_fails_once() -> None:
    """A failure is a notice, the old one serves, and the next run does not try again."""
    cell = Cell(life(HOUR / 4), fails)
    assert cell.take() is cell.take() is cell.life
    assert cell.renewals == 1
    (notice,) = cell.heard.notices
    assert notice == (
        "the CA is away; the old certificate is good for 14 minutes, the next try is in 1 minute"
    )
    with pytest.raises(IdentityError, match="the CA is away"):
        cell.take(is_asked=True)
    assert state.load("k").failures == 2


@pytest.mark.parametrize("left", [20.0, -5.0])
def test_urgent_fails(left: float) -> None:
    """At its end a failure ends the run, and each run tries."""
    cell = Cell(life(left), fails)
    for _ in range(2):
        with pytest.raises(IdentityError, match="the CA is away"):
            cell.take()
    assert cell.renewals == 2


def test_another_run_holds_the_lock() -> None:
    """While the old one is good nobody waits for it; at its end the wait has a limit."""
    held = locks.take(store.directory("renewal") / "k", seconds=0)
    due, ended = Cell(life(HOUR / 4), fails), Cell(life(-5), fails)
    assert due.take() is due.life
    with pytest.raises(IdentityError, match="another mtls-run has been renewing it for 0 s"):
        ended.take(patience=0.1)
    os.close(held)
    assert (due.renewals, ended.renewals) == (0, 0)
    with pytest.raises(IdentityError, match="the CA is away"):
        ended.take()


def test_what_comes_is_due_again() -> None:
    """It is used, and not asked for again with each run; one that has expired is an error."""
    cell = Cell(life(HOUR / 5), lambda: life(HOUR / 4))
    cell.take()
    cell.take()
    assert (cell.renewals, cell.heard.notices) == (1, [])
    cell = Cell(life(-5), lambda: life(-4))
    with pytest.raises(IdentityError, match="left a certificate that is not valid now"):
        cell.take()


def test_success_ends_the_failures() -> None:
    """The next failure is a first one again."""
    state.failed("k", "x")
    cell = Cell(life(-5), lambda: life(HOUR))
    cell.take()
    assert (state.load("k").failures, state.load("k").said) == (0, "")


# What a command prints


def prints(tmp_path: Path, content: bytes | str) -> Obtained:
    """Return what comes of a command that prints this."""
    file = tmp_path / "printed"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return obtain(f"cat {file}")


def obtain(script: str) -> Obtained:
    """Return what comes of a shell script."""
    named = replace(profile(), client_cert=Setting(Command(("sh", "-c", script)), SAID))
    return printed.obtain(printed.Request(named, "k", os.environ, Heard()))


GOOD: dict[str, Callable[[Issued], bytes | str]] = {
    "PEM": lambda alice: alice.pem(),
    "the key first": lambda alice: alice.pem(order="key-leaf-chain"),
    "a warning before it": lambda alice: b"warning: {3} days\n" + alice.pem(),
    "an ExecCredential": credential,
    "on many lines": lambda alice: json.dumps(json.loads(credential(alice)), indent=2),
    "before its end": lambda alice: credential(alice, expirationTimestamp=stamp(600)),
    "with an offset": lambda alice: credential(
        alice, expirationTimestamp=stamp(600).replace("Z", ".123456789+00:00")
    ),
    "with a token beside it": lambda alice: credential(alice, token="hunter2"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_output(tmp_path: Path, name: str) -> None:
    """The identity is the one that was printed, and ends when the earlier of the two says."""
    alice = living(HOUR)
    found = prints(tmp_path, GOOD[name](alice))
    assert found.identity.exportable_pem().reveal() == alice.pem()
    if name in ("before its end", "with an offset"):
        assert 590 < found.ends - time.time() <= 600


def another(identity: Issued) -> bytes:
    """Return the identity with a second key."""
    return identity.pem() + key_pem(make_key("ec", "another"))


BAD: dict[str, tuple[bytes | str, str, str]] = {
    "two keys": (another(living(99_999)), "the output of sh holds 2 private keys", "keep the key"),
    "nothing": (b"", "the output of sh", ""),
    "a megabyte": (b"x" * 1024 * 1025, "printed more than 1048576 bytes", "and nothing else"),
    "expired": (ISSUER.issue("a", days=-0.5).pem(), "expired on", "check this machine's clock"),
    "not yet": (
        living(9999, since=-3600).pem(),
        "is valid only from",
        "check this machine's clock",
    ),
    "no key": (living(99_999).cert_pem, "the output of sh has no private key", "client-key"),
    "a server's": (ISSUER.issue("a", eku="server").pem(), "not for client authentication", ""),
    "another's key": (
        living(99_999).cert_pem + key_pem(make_key("ec", "other")),
        "does not belong",
        "",
    ),
    "half a PEM": (living(99_999).pem()[:-99], "", ""),
    "half a JSON": (
        credential(living(99_999))[:-9],
        "begins like JSON, but is not JSON",
        "print PEM",
    ),
    "a warning before JSON": (
        "warning: late\n" + credential(living(99_999)),
        "has text before its JSON",
        "",
    ),
    "another version": (
        credential(living(99_999)).replace("io/v1", "io/v2"),
        "apiVersion `client.authentication.k8s.io/v2`",
        "client.authentication.k8s.io/v1",
    ),
    "AWS": (
        '{"Version": 1, "AccessKeyId": "a"}',
        "is JSON of another kind: apiVersion `None`",
        "print PEM",
    ),
    "JSON without key": (
        credential(living(99_999), clientKeyData=None),
        "without `status.clientKeyData`",
        "",
    ),
    "a token": (
        credential(living(99_999), clientCertificateData=None, token="hunter2"),
        "but a `token`",
        "",
    ),
    "past": (
        credential(living(99_999), expirationTimestamp=stamp(-5)),
        "the expirationTimestamp in the output of sh is past",
        "check this machine's clock",
    ),
    "no time": (
        credential(living(99_999), expirationTimestamp="tomorrow"),
        "that is no time of RFC 3339",
        "",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_output(tmp_path: Path, name: str) -> None:
    """One error says what is wrong, and nothing that was printed is in it."""
    content, fact, hint = BAD[name]
    with pytest.raises(IdentityError) as caught:
        prints(tmp_path, content)
    assert fact in caught.value.fact
    assert hint in caught.value.hint
    said = f"{caught.value.fact} {caught.value.hint}"
    assert "PRIVATE KEY-----" not in said
    assert "hunter2" not in said


HANGING = """
import os, sys
from tests.unit.test_renewal import obtain
from mtls_run.errors import IdentityError
from mtls_run.renewal import command

command.PATIENCE = 1.0
try:
    obtain(sys.argv[1])
except IdentityError as error:
    print(error.fact, error.hint)
"""


def test_hangs() -> None:
    """A command that does not end is killed after the limit, though it ignores signals."""
    script = "trap '' TERM INT; echo hunter2; exec sleep 100"
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGING, script],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "did not end within 1 s" in done.stdout
    assert "it has no stdin): mtls-run profile renew corp" in done.stdout
    assert "hunter2" not in done.stdout
    assert time.monotonic() - start < 20
