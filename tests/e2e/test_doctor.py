"""doctor and a real nginx that asks for an identity: nothing is wrong, for each kind of key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from mtls_run.identity import chain

if TYPE_CHECKING:
    from tests.conftest import Canary
    from tests.e2e.bench import Bench
    from tests.pki import KeyKind

pytestmark = pytest.mark.e2e


@pytest.mark.everyday
def test_all_well_is_five_lines(bench: Bench, canary: Canary) -> None:
    """Where nothing is wrong, there are a line for each part and the verdict."""
    alice = bench.server.issuer.issue("alice")
    bench.sandbox.write("pki/alice.pem", alice.pem(canary.text))
    bench.sandbox.write_config(
        'default-profile = "corp"\n[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        f'ca-cert = "{bench.ca}"\nroots = "none"\npassphrase = {{ env = "ALICE" }}\n'
    )
    bench.sandbox.fake_tool("uv")
    url = f"{bench.server.url}alpha-pkg/"
    done = bench.sandbox.run("doctor", url, env={"ALICE": canary.text})
    identity, roots, tools, index, verdict = done.stdout.splitlines()
    issued = f"issued by {chain.short_name(alice.certificate.issuer)}, 364 days left"
    assert identity == f"✓ identity  CN=alice of profile corp, {issued}"
    assert roots == f"✓ roots     none + {bench.ca}"
    assert tools.startswith("✓ tools     ")
    assert index == f"✓ index     {url}: 200, PEP 503 HTML"
    assert verdict == "✓ verdict: nothing is wrong"
    assert done.returncode == 0


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
def test_healthy(bench: Bench, kind: KeyKind) -> None:
    """There are only notes; the index saw clients with the identity, and one without."""
    alice = bench.server.issuer.issue("alice", key=kind)
    bench.sandbox.write("pki/alice.pem", alice.pem())
    bench.sandbox.write_config(
        'default-profile = "corp"\n[profiles.corp]\nclient-cert = "~/pki/alice.pem"\n'
        f'ca-cert = "{bench.ca}"\n'
    )
    bench.sandbox.fake_tool("uv")
    url = f"{bench.server.url}alpha-pkg/"
    done = bench.sandbox.run("doctor", "--json", url)
    found = json.loads(done.stdout)
    assert [one["code"] for one in found["findings"]] == ["key-unencrypted"], found
    assert done.returncode == 0
    assert found["urls"][0]["verified"] is True
    assert found["urls"][0]["asks_for_identity"] is True
    assert found["urls"][0]["accepted"] == ["CN=Client Root"]
    assert found["urls"][0]["page"] == "PEP 503 HTML"
    requests = bench.server.requests()
    seen = [(one.status, one.verify) for one in requests]
    assert seen[:2] == [(400, "NONE"), (200, "SUCCESS")]
    assert set(seen[2:]) <= {(200, "SUCCESS")}  # by the interpreter of a pip in /usr/bin
    assert bench.server.failed_handshakes() == []


def test_the_repositories_of_other_tools_are_tried(bench: Bench) -> None:
    """Twine's repository and poetry's source are asked with the identity, and refuse without.

    With poetry there, it is no fault that pip and uv are not.

    A repository answers uploads, so that a page it does not have is no fault.
    """
    poetry = bench.sandbox.bin / "poetry"
    bench.sandbox.write(poetry, "#!/bin/sh\necho 'Poetry (version 2.5.1)'\n", 0o755)
    alone = {"PATH": str(bench.sandbox.bin)}  # without pip and uv
    alice = bench.server.issuer.issue("alice")
    bench.sandbox.write("pki/alice.pem", alice.pem())
    identity = 'client-cert = "~/pki/alice.pem"\n'
    config = f'default-profile = "corp"\n[profiles.corp]\nca-cert = "{bench.ca}"\n'
    source = f"{bench.server.url}alpha-pkg/"
    upload = f"{bench.server.url}upload-here/"
    bench.sandbox.write(".pypirc", f"[corp]\nrepository = {upload}\n")
    bench.sandbox.write(
        "pyproject.toml", f'[[tool.poetry.source]]\nname = "corp"\nurl = "{source}"\n'
    )
    answers = {}
    for text in (config, config + identity):
        bench.sandbox.write_config(text)
        done = bench.sandbox.run("doctor", "--json", cwd=bench.sandbox.home, env=alone)
        answers[text] = json.loads(done.stdout)
        assert [one["url"] for one in answers[text]["urls"]] == [upload, source]
    refused = [one["code"] for one in answers[config]["findings"] if one["rank"] == "error"]
    assert refused == ["identity-required"] * 2
    assert [one["code"] for one in answers[config + identity]["findings"]] == ["key-unencrypted"]
    assert {400, 404} <= {one.status for one in bench.server.requests()}
