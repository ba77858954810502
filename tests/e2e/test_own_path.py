"""Whatever mtls-run hands on by its own path is read as it stands, by old versions too."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import Tool, pips, uvs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _pytest.mark import ParameterSet

    from tests.e2e.bench import Bench
    from tests.pki import Issued, KeyKind

pytestmark = pytest.mark.e2e

FORMS: dict[str, Callable[[Issued], bytes]] = {
    "pkcs8": lambda alice: alice.pem(),
    "key first": lambda alice: alice.key_pem() + alice.cert_pem + alice.chain_pem,
    "key in the middle": lambda alice: alice.cert_pem + alice.key_pem() + alice.chain_pem,
    "text between, CRLF": lambda alice: (
        b"Bag Attributes\n    friendlyName: alice\n"
        + alice.cert_pem
        + b"# key\n"
        + alice.key_pem()
        + alice.chain_pem
    ).replace(b"\n", b"\r\n"),
}


OWN_LABELS: dict[KeyKind, str] = {"rsa": "pkcs1", "ec": "sec1"}
TOOLS = [*pips("21.3", "26.3"), *uvs("0.2.11", "0.8.24", "0.13.9")]
KINDS: tuple[KeyKind, ...] = ("rsa", "ec", "ed25519")


def cases() -> Iterator[ParameterSet]:
    """Return every kind of key in every form, for one tool or another; a few by default."""
    forms = [(kind, form) for kind in KINDS for form in (*FORMS, OWN_LABELS.get(kind)) if form]
    for number, ((kind, form), tool) in enumerate(zip(forms, itertools.cycle(TOOLS))):
        marks = [] if number < len(TOOLS) else [pytest.mark.slow]
        yield pytest.param(tool, kind, form, marks=marks, id=f"{tool}-{kind}-{form}")


def write(alice: Issued, form: str) -> bytes:
    """Return the identity in this form."""
    if form in FORMS:
        return FORMS[form](alice)
    return alice.cert_pem + alice.key_pem(form=form) + alice.chain_pem  # type: ignore[arg-type]


@pytest.mark.parametrize(("tool", "kind", "form"), list(cases()))
def test_own_path(bench: Bench, tool: Tool, kind: KeyKind, form: str) -> None:
    """An unencrypted identity in this form is handed on as it lies, and admitted."""
    alice = bench.server.issuer.issue("alice", key=kind)
    identity = bench.sandbox.write("pki/alice.pem", write(alice, form))
    bench.profile(f'client-cert = "{identity}"')
    explained = bench.sandbox.run(
        "--explain", *bench.install(tool, "alpha-pkg"), env=bench.tool_env(tool)
    )
    assert "handoff   path" in explained.stdout, explained
    bench.assert_installed(bench.run(tool, "alpha-pkg"), WHEELS)
