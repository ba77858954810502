"""The search for secrets finds one where there is one; without that, many tests could not fail."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Callable

import pytest

from tests.pki import Authority

if TYPE_CHECKING:
    from tests.sandbox import Canary, Sandbox


@pytest.mark.parametrize("disguise", [str.encode, lambda text: base64.b64encode(text.encode())])
def test_canary_is_found(
    sandbox: Sandbox, canary: Canary, disguise: Callable[[str], bytes]
) -> None:
    """The search for the canary finds it in outputs, files and the names of files."""
    shown = disguise(canary.text)
    canary.assert_absent("nothing", below=[sandbox.root])
    with pytest.raises(AssertionError, match="output 1"):
        canary.assert_absent("nothing", b"x" + shown + b"x")
    file = sandbox.write("deep/down/file", b"x" + shown)
    with pytest.raises(AssertionError, match="deep/down/file"):
        canary.assert_absent(below=[sandbox.root])
    canary.assert_absent(below=[sandbox.root], but=[file])
    file.write_bytes(b"")
    file.rename(file.with_name(canary.text))
    with pytest.raises(AssertionError, match="deep/down"):
        canary.assert_absent(below=[sandbox.root])


def test_traces_of_a_key() -> None:
    """An unlocked key is recognised in its usual forms; certificates and locked keys are not it."""
    alice = Authority.create("Root").intermediate("Issuer").issue("alice")
    locked = alice.pem("passphrase") + alice.p12("passphrase")
    assert not [trace for trace in alice.traces if trace in locked]
    for form in (alice.pem(), alice.key_der()):
        assert [trace for trace in alice.traces if trace in form]
