"""Where the passphrase and the unlocked key are, and where they are not."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.toolbox import Tool, in_slow_tier, newest_pip, newest_uv, pips
from tests.sandbox import assert_absent

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

TOOLS = [newest_pip(), newest_uv()]
HANDOFFS = ["memfd", "supervise"]


def build_recorded(bench: Bench, tool: Tool, handoff: str, env: dict[str, str]) -> dict[str, Any]:
    """Install everything and return what the build backend saw of its surroundings."""
    record = bench.sandbox.root.parent / "record.json"
    env = {**env, "GAMMA_RECORD": str(record)}
    done = bench.run(tool, options=("-v", "--handoff", handoff), env=env)
    bench.assert_installed(done)
    found: dict[str, Any] = json.loads(record.read_text())
    record.unlink()
    return {**found, "stdout": done.stdout, "stderr": done.stderr}


def assert_unseen(bench: Bench, canary: Canary, seen: dict[str, Any], *but: Path) -> None:
    """Fail where passphrase or key were seen, or stand in a file."""
    cmdlines = [base64.b64decode(line) for line in seen["cmdlines"]]
    assert len(cmdlines) > 1
    values = [f"{name}={value}" for name, value in seen["env"].items()]
    outputs = [*cmdlines, *values, seen["stdout"], seen["stderr"]]
    canary.assert_absent(*outputs, below=[bench.sandbox.root], but=but)
    assert_absent(bench.alice.traces, *outputs, below=[bench.sandbox.root])


@pytest.mark.parametrize("tool", [*in_slow_tier(*pips("24.0")), *TOOLS], ids=str)
@pytest.mark.parametrize("handoff", HANDOFFS)
def test_from_the_keyring(
    bench: Bench, keyring: SecretService, canary: Canary, tool: Tool, handoff: str
) -> None:
    """A passphrase from the keyring is in no argument, variable, output or file."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"')
    keyring.store("corp", canary.text)
    seen = build_recorded(bench, tool, handoff, keyring.env)
    assert_unseen(bench, canary, seen)
    canary.assert_absent(below=[keyring.root])


@pytest.mark.parametrize("tool", [TOOLS[0], *in_slow_tier(*TOOLS[1:])], ids=str)
@pytest.mark.parametrize("handoff", HANDOFFS)
def test_from_a_variable(bench: Bench, canary: Canary, tool: Tool, handoff: str) -> None:
    """A variable that carried the passphrase is taken from the tool and from its children."""
    bench.sandbox.write("pki/alice.p12", bench.alice.p12(canary.text))
    bench.profile('client-cert = "~/pki/alice.p12"\npassphrase = { env = "CORP_PASSPHRASE" }')
    seen = build_recorded(bench, tool, handoff, {"CORP_PASSPHRASE": canary.text})
    assert "CORP_PASSPHRASE" not in seen["env"]
    assert_unseen(bench, canary, seen)


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_from_a_command(bench: Bench, canary: Canary, tool: Tool) -> None:
    """What a command prints is in no argument, variable, output or file but the command's own."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    secret = bench.sandbox.write("vault", canary.text + "\n")
    bench.profile(
        f'client-cert = "~/pki/alice.pem"\npassphrase = {{ command = ["cat", "{secret}"] }}'
    )
    seen = build_recorded(bench, tool, "memfd", {})
    assert_unseen(bench, canary, seen, secret)


@pytest.mark.parametrize("tool", TOOLS, ids=str)
def test_what_is_handed_on(bench: Bench, canary: Canary, tool: Tool) -> None:
    """The tool is handed leaf, chain and PKCS#8 key in anonymous memory, under one path."""
    bench.sandbox.write("pki/alice.p12", bench.alice.p12(canary.text))
    bench.profile('client-cert = "~/pki/alice.p12"\npassphrase = { env = "CORP_PASSPHRASE" }')
    seen = build_recorded(bench, tool, "memfd", {"CORP_PASSPHRASE": canary.text})
    for name in ("SSL_CLIENT_CERT", "PIP_CLIENT_CERT"):
        assert seen["env"][name].startswith("/proc/")
        assert "/fd/" in seen["env"][name]
        assert base64.b64decode(seen["files"][name]) == bench.alice.pem()
