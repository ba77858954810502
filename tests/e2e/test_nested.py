"""Commands after `--`, and an mtls-run that is started by another."""

from __future__ import annotations

import re
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import WHEELS
from tests.e2e.toolbox import Tool, in_slow_tier, newest_pip, newest_uv, pips
from tests.tiers import first

if TYPE_CHECKING:
    import subprocess

    from tests.e2e.bench import Bench
    from tests.e2e.secret_service import SecretService
    from tests.sandbox import Canary

pytestmark = pytest.mark.e2e

HANDOFFS = ["memfd", "supervise"]
# Any path that an identity is handed on by: in memory, or in a private file.
HANDED_ON = r"/proc/[0-9]+/fd/[0-9]+"


@pytest.fixture(autouse=True)
def profile(bench: Bench, keyring: SecretService, canary: Canary) -> None:
    """Write a profile whose passphrase is in the keyring, and put mtls-run on PATH."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem(canary.text))
    bench.profile('client-cert = "~/pki/alice.pem"')
    keyring.store("corp", canary.text)
    bench.sandbox.env.update(keyring.env)
    (bench.sandbox.bin / "mtls-run").symlink_to(bench.sandbox.program)


def install(bench: Bench, *options: str) -> str:
    """Return the shell command that installs `alpha-pkg` with uv through an inner mtls-run."""
    return shlex.join(["mtls-run", *options, *bench.install(newest_uv(), "alpha-pkg")])


def outer(
    bench: Bench, script: str, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a shell script through an outer mtls-run, with uv and pip on PATH."""
    changes = bench.tool_env(newest_uv(), env)
    changes["PATH"] = f"{changes['PATH']}:{newest_pip().ready().bin}"
    return bench.sandbox.run(*options, "--", "sh", "-c", script, env=changes, timeout=120)


FORGET = "secret-tool clear service mtls-run username corp"


@pytest.mark.parametrize("handoff", HANDOFFS)
def test_unlocked_once(bench: Bench, keyring: SecretService, handoff: str) -> None:
    """An inner mtls-run uses what the outer one unlocked: the keyring is empty by then."""
    done = outer(bench, f"{FORGET}; {install(bench)}", "--handoff", handoff)
    assert keyring.lookup("corp") is None
    bench.assert_installed(done, WHEELS)


def test_not_unlocked_without_the_outer_one(bench: Bench, keyring: SecretService) -> None:
    """The inner command by itself would be refused then."""
    keyring.clear("corp")
    bench.assert_refused(bench.run(newest_uv(), "alpha-pkg"))


@pytest.mark.parametrize("handoff", HANDOFFS)
def test_asked_once(bench: Bench, canary: Canary, handoff: str) -> None:
    """The source of the passphrase is asked once for a whole tree of processes."""
    bench.sandbox.write("vault", canary.text)
    count = bench.sandbox.home / "count"
    ask = f"echo asked >> {count}; cat {bench.sandbox.home}/vault"
    bench.profile(
        f'client-cert = "~/pki/alice.pem"\npassphrase = {{ command = ["sh", "-c", "{ask}"] }}'
    )
    script = f"{install(bench)} && mtls-run -- sh -c {shlex.quote(install(bench))}"
    bench.assert_installed(outer(bench, script, "--handoff", handoff), WHEELS)
    assert count.read_text() == "asked\n"


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize("stored", [True, False])
def test_forged_path(
    bench: Bench, keyring: SecretService, canary: Canary, handoff: str, stored: bool
) -> None:
    """A value that leads to another identity is not honoured: the inner run starts afresh."""
    mallory = bench.sandbox.write("mallory.pem", bench.server.issuer.issue("mallory").pem())
    script = (
        f'forged=$(printf %s "$MTLS_RUN_ACTIVE" | sed -E "s#{HANDED_ON}#{mallory}#g;'
        f's#$SSL_CLIENT_CERT#{mallory}#g"); test "$forged" != "$MTLS_RUN_ACTIVE" || exit 99; '
        f'export MTLS_RUN_ACTIVE="$forged" SSL_CLIENT_CERT={mallory} PIP_CLIENT_CERT={mallory}; '
        f"{'true' if stored else FORGET}; {install(bench)}"
    )
    done = outer(bench, script, "--handoff", handoff)
    canary.assert_absent(done.stdout, done.stderr)
    if stored:
        bench.assert_installed(done, WHEELS)
    else:
        assert done.returncode == 125, done
        assert bench.server.requests() == []
    assert (keyring.lookup("corp") is not None) == stored


@pytest.mark.parametrize("value", first(2, ["/proc/1/fd/3", "{}", "", "1", "corp", "[" * 2000]))
def test_nonsense(bench: Bench, value: str) -> None:
    """A value that no mtls-run wrote is passed over."""
    done = bench.run(newest_uv(), "alpha-pkg", env={"MTLS_RUN_ACTIVE": value})
    bench.assert_installed(done, WHEELS)


def test_replayed(bench: Bench, keyring: SecretService) -> None:
    """A value whose process is gone is worth nothing."""
    value = outer(bench, 'printf %s "$MTLS_RUN_ACTIVE"').stdout
    assert value != ""
    done = bench.run(newest_uv(), "alpha-pkg", env={"MTLS_RUN_ACTIVE": value})
    bench.assert_installed(done, WHEELS)
    keyring.clear("corp")
    done = bench.run(newest_uv(), "alpha-pkg", env={"MTLS_RUN_ACTIVE": value})
    assert done.returncode == 125, done


def test_value_holds_no_secret(bench: Bench, canary: Canary) -> None:
    """The value that spares the second unlock tells neither passphrase nor key."""
    value = outer(bench, 'printf %s "$MTLS_RUN_ACTIVE"').stdout
    canary.assert_absent(value)
    assert "PRIVATE KEY" not in value


def test_another_profile(bench: Bench, keyring: SecretService) -> None:
    """Inside one profile, another by name is that other, with its own identity."""
    bob = bench.server.issuer.issue("bob")
    bench.sandbox.write("pki/bob.pem", bob.pem("bob's own"))
    text = bench.sandbox.config_file.read_text()
    text += (
        f'[profiles.other]\nclient-cert = "~/pki/bob.pem"\nroots = "none"\nca-cert = "{bench.ca}"\n'
    )
    bench.sandbox.write_config(text)
    keyring.store("other", "bob's own")
    done = outer(bench, install(bench, "--profile", "other"))
    bench.assert_installed(done, WHEELS, subject="CN=bob")


def test_changed_profile(bench: Bench, canary: Canary) -> None:
    """A profile that means something else by now is unlocked anew."""
    bob = bench.server.issuer.issue("bob")
    bench.sandbox.write("pki/bob.pem", bob.pem(canary.text))
    config = bench.sandbox.config_file
    done = outer(bench, f"sed -i s/alice.pem/bob.pem/ {config}; {install(bench)}")
    bench.assert_installed(done, WHEELS, subject="CN=bob")


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize(
    "pip", [newest_pip(), *in_slow_tier(*pips("23.3", "24.0", "24.2"))], ids=str
)
def test_both_tools_in_one_command(bench: Bench, pip: Tool, handoff: str) -> None:
    """A shell after `--` runs pip and uv, and both are set up."""
    folder = bench.sandbox.home / "downloads"
    download = ["pip", "download", "--no-deps", "--dest", str(folder)]
    download += ["--index-url", bench.server.url, "beta-pkg"]
    upload = bench.install(newest_uv(), "alpha-pkg", "gamma-src")
    script = f"{shlex.join(download)} && {shlex.join(upload)}"
    env = bench.tool_env(newest_uv())
    env["PATH"] = f"{pip.ready().bin}:{env['PATH']}"
    options = ["--handoff", handoff]
    done = bench.sandbox.run(*options, "--", "sh", "-c", script, env=env, timeout=120)
    bench.assert_installed(done)
    assert [path.name for path in folder.iterdir()] == ["beta_pkg-0.7-py3-none-any.whl"]
    agents = {re.split("[/ ]", request.agent)[0] for request in bench.server.requests()}
    assert agents == {"pip", "uv"}


@pytest.mark.parametrize("handoff", HANDOFFS)
def test_tool_after_dashes(bench: Bench, handoff: str) -> None:
    """A tool after `--` is still treated as one."""
    command = bench.install(newest_pip(), "alpha-pkg", "gamma-src")
    env = bench.tool_env(newest_pip())
    done = bench.sandbox.run("--handoff", handoff, "--", *command, env=env, timeout=120)
    bench.assert_installed(done)


@pytest.mark.parametrize("handoff", HANDOFFS)
@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 7", 7),
        ("kill -TERM $$", -signal.SIGTERM),
        # A Python ignores it, and a program that it became would go on ignoring it.
        ("kill -PIPE $$", -signal.SIGPIPE),
    ],
)
def test_status_of_a_command(bench: Bench, handoff: str, script: str, status: int) -> None:
    """A command's status and signal are mtls-run's."""
    assert outer(bench, script, "--handoff", handoff).returncode == status


def test_memory_is_sealed(bench: Bench) -> None:
    """What the tool is handed cannot be changed under those who open it after it."""
    script = 'echo forged > "$SSL_CLIENT_CERT" || echo forged >> "$SSL_CLIENT_CERT" || exit 9'
    assert outer(bench, script).returncode == 9
    done = outer(bench, f"({script}); {shlex.join(bench.install(newest_uv(), 'alpha-pkg'))}")
    bench.assert_installed(done, WHEELS)
