"""A fleet's policy, in the real place of the system's configuration: /etc/mtls-run."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.support import failed, ready

if TYPE_CHECKING:
    from tests.sandbox import Sandbox

Done = subprocess.CompletedProcess[str]
HOSTS = 'hosts = ["pypi.corp.example"]'


@pytest.fixture
def fleet(sandbox: Sandbox) -> Sandbox:
    """Return a home with a profile of its own, on a machine without a policy."""
    ready(sandbox)
    sandbox.fake_tool("uv")
    return sandbox


def run(sandbox: Sandbox, policy: dict[str, str], *words: str, cwd: object = None) -> Done:
    """Run mtls-run where these files are in /etc/mtls-run, laid over the machine's /etc."""
    upper, work = sandbox.root / "etc", sandbox.root / "etc-work"
    for name, text in policy.items():
        sandbox.write(upper / "mtls-run" / name, text)
    work.mkdir(exist_ok=True)
    (upper / "mtls-run").chmod(0o755)
    apart = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    options = f"lowerdir=/etc,upperdir={upper},workdir={work}"
    mount = f'mount -t overlay overlay -o {shlex.quote(options)} /etc && exec "$@"'
    command = [*apart, "sh", "-c", mount, "sh", str(sandbox.program), *words]
    return sandbox.execute(command, cwd=cwd)  # type: ignore[arg-type]


SYNC = ("uv", "sync")


@pytest.mark.parametrize(
    ("policy", "words", "fact"),
    [
        ('min-version = "99.1"', SYNC, "mtls-run 99.1 or newer is required by the policy at"),
        ('handoff = "gateway"', ("--handoff", "memfd", *SYNC), "requires gateway"),
        ('handoff = "gateway"', SYNC, "profile corp names none"),
        ('profiles = "system"', SYNC, "admits the system's profiles alone"),
        ('handoff = "memfd"', SYNC, "unknown value of `handoff` `memfd`"),
        ('profiles = "mine"', SYNC, "unknown value of `profiles` `mine`"),
        ("allow-project-files = 0", SYNC, "`allow-project-files` takes true or false"),
        ('min-version = "new"', SYNC, "`min-version` takes a version"),
        ('handof = "gateway"', SYNC, "did you mean `handoff`?"),
    ],
)
def test_what_contradicts_the_policy_is_an_error(
    fleet: Sandbox, policy: str, words: tuple[str, ...], fact: str
) -> None:
    """It stops the run, and names the policy's file and line."""
    done = run(fleet, {"config.d/10-fleet.toml": f"[policy]\n{policy}\n"}, *words)
    assert (done.returncode, done.stdout) == (125, ""), done
    assert fact in done.stderr
    assert "profile corp names none" in fact or "/etc/mtls-run/config.d/10-fleet.toml:2" in (
        done.stderr
    )


def test_the_policy_makes_the_gateway_the_handoff(fleet: Sandbox) -> None:
    """A profile that says nothing of it, but has hosts, goes by the gateway."""
    pytest.importorskip("h11")
    ready(fleet, HOSTS)
    done = run(
        fleet,
        {"config.toml": '[policy]\nhandoff = "gateway"\n'},
        *("--explain", "--json", "uv", "sync"),
    )
    assert json.loads(done.stdout)["handoff"] == "gateway"


def test_explain_names_the_policy(fleet: Sandbox) -> None:
    """--explain has file and line of each requirement."""
    ready(fleet, HOSTS)
    policy = '[policy]\nmin-version = "0.0.1"\nhandoff = "gateway"\n'
    done = run(fleet, {"config.d/10-fleet.toml": policy}, "--explain", "uv", "sync")
    assert "policy min-version: /etc/mtls-run/config.d/10-fleet.toml:2" in done.stdout
    assert "policy handoff: /etc/mtls-run/config.d/10-fleet.toml:3" in done.stdout


def test_of_two_policies_the_later_file_counts(fleet: Sandbox) -> None:
    """Where the files contradict each other, the later name wins, and --explain names it."""
    policy = {
        "config.d/10.toml": '[policy]\nmin-version = "99"\n',
        "config.d/20.toml": '[policy]\nmin-version = "0.0.1"\n',
    }
    done = run(fleet, policy, "--explain", "uv", "sync")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "policy min-version: /etc/mtls-run/config.d/20.toml:2" in done.stdout


def test_a_policy_that_contradicts_a_profile_of_the_system(fleet: Sandbox) -> None:
    """The error names both lines."""
    policy = {
        "config.toml": '[profiles.ours]\nclient-cert = "/x.pem"\nhandoff = "memfd"\n',
        "config.d/10.toml": '[policy]\nhandoff = "gateway"\n',
    }
    done = run(fleet, policy, "--profile", "ours", "uv", "sync")
    fact = "`handoff` at /etc/mtls-run/config.toml:3 asks for the handoff memfd, but the policy at "
    failed(done, f"{fact}/etc/mtls-run/config.d/10.toml:2 requires gateway")


def test_project_files_may_be_refused(fleet: Sandbox) -> None:
    """A project file is an error where the policy admits none, and cannot be allowed."""
    policy = {"config.toml": "[policy]\nallow-project-files = false\n"}
    fleet.write("project/.mtls-run.toml", 'roots = "public"\n')
    project = fleet.home / "project"
    for words in (SYNC, ("allow",)):
        done = run(fleet, policy, *words, cwd=project)
        failed(done, "/etc/mtls-run/config.toml:2 admits no project files", "--profile NAME")
    assert run(fleet, policy, "-p", "corp", *SYNC, cwd=project).returncode == 0
    fleet.write("project/.mtls-run.toml", 'profile = "corp"\n')
    assert run(fleet, policy, *SYNC, cwd=project).returncode == 0


def test_profiles_of_the_system(fleet: Sandbox) -> None:
    """The user chooses among the system's profiles, and may not change one."""
    policy = {
        "config.toml": '[policy]\nprofiles = "system"\n',
        "config.d/corp.toml": '[profiles.fleet]\nroots = "public"\n',
    }
    fleet.write_config('default-profile = "fleet"\n')
    done = run(fleet, policy, "--explain", "--json", *SYNC)
    assert json.loads(done.stdout)["profile"] == "fleet"
    fleet.write_config('default-profile = "fleet"\n[profiles.fleet]\nroots = "system"\n')
    failed(run(fleet, policy, *SYNC), "admits the system's profiles alone, and profile fleet")


def test_files_are_laid_in_order_of_name(fleet: Sandbox) -> None:
    """config.d is laid over config.toml, by name; other files in it are none."""
    fleet.write_config('default-profile = "fleet"\n')
    files = {
        "config.toml": '[profiles.fleet]\nroots = "environment"\n',
        "config.d/20.toml": '[profiles.fleet]\nroots = "public"\n',
        "config.d/10.toml": '[profiles.fleet]\nroots = "environment"\n',
        "config.d/30.toml.bak": "[",
    }
    done = run(fleet, files, "--explain", "--json", *SYNC)
    assert json.loads(done.stdout)["roots"]["base"] == "public"


def test_a_users_policy_is_an_error(fleet: Sandbox) -> None:
    """A [policy] of the user's own would mislead: it counts in the system's files alone."""
    fleet.write_config('[policy]\nhandoff = "gateway"\n')
    failed(fleet.run(*SYNC), "config.toml:1: [policy] counts in the system's configuration alone")


def test_a_cached_launch_notices_a_new_policy(fleet: Sandbox) -> None:
    """A launch that was cached before the policy came is not used after it."""
    assert fleet.run(*SYNC).returncode == 0
    assert fleet.run(*SYNC).returncode == 0
    done = run(fleet, {"config.d/new.toml": '[policy]\nmin-version = "99"\n'}, *SYNC)
    failed(done, "mtls-run 99 or newer is required")


def test_a_key_of_the_users_own_contradicts_the_gateway(fleet: Sandbox) -> None:
    """With the gateway for all, a --client-cert on the command line is an error too."""
    ready(fleet, HOSTS)
    fleet.fake_tool("pip")
    policy = {"config.toml": '[policy]\nhandoff = "gateway"\n'}
    done = run(fleet, policy, "pip", "--client-cert", "own.pem", "install", "x")
    failed(done, "--client-cert own.pem hands a key to the tool, but the policy at /etc/mtls-run")
