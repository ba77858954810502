"""The recipes of docs/renewal.md, run as they stand, each against the other end that it needs."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import toolbox
from tests.e2e.bench import WHEELS
from tests.e2e.issuers import services
from tests.e2e.issuers.authority import VAULT_TOKEN, running
from tests.e2e.recipes import REPOSITORY, blocks
from tests.e2e.test_renewal import FILES, RENEW, enrolled
from tests.e2e.toolbox import newest_pip
from tests.sandbox import assert_absent
from tests.short_lived import credential

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.issuers.authority import Authority

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = REPOSITORY / "docs/renewal.md"
BLOCKS = blocks(PAGE)
BUILD7 = "build7.corp.example"


@pytest.fixture
def authority(bench: Bench) -> Iterator[Authority]:
    """Run a CA whose certificates live for an hour."""
    with running(bench.server, 3600.0) as found:
        yield found


def python_environment(bench: Bench, name: str) -> None:
    """Put the environment that the recipe makes where it makes it."""
    assert f"~/identity/bin/pip install {name}\n" in BLOCKS[f"{words_of(name)} sh"]
    (bench.sandbox.home / "identity").symlink_to(toolbox.program(name).parent)


def words_of(name: str) -> str:
    """Return the recipe that needs this package."""
    return {"spiffe": "SPIFFE", "hvac": "Vault"}[name]


def install(bench: Bench, recipe: str) -> subprocess.CompletedProcess[str]:
    """Install from the index, with the profile of this recipe."""
    bench.profile(BLOCKS[f"{recipe} toml"])
    return bench.run(newest_pip(), "alpha-pkg")


def handed_over(bench: Bench) -> str:
    """Return the identity that mtls-run hands to a command."""
    command = ("--", "sh", "-c", 'cat "$SSL_CLIENT_CERT"')
    done = bench.sandbox.run(*command, env=bench.tool_env(None))
    assert done.returncode == 0, done
    return done.stdout


def test_every_marked_block_is_run() -> None:
    """The page marks as run what a test takes from it, and says of the rest that it is not run."""
    text = "".join(
        (Path(__file__).parent / name).read_text()
        for name in ("test_renewal.py", "test_renewal_recipes.py")
    )
    for name in BLOCKS:
        recipe, _, kind = name.rpartition(" ")
        assert f'"{name}"' in text or f'install(bench, "{recipe}")' in text or kind == "sh", name
    recipes = PAGE.read_text().partition("\n## Recipes\n")[2]
    for section in recipes.split("\n### ")[1:]:
        title, _, body = section.partition("\n")
        assert title.endswith((" (run)", " (not run)")), title
        unmarked = len(re.findall(r"^```\w", body, re.MULTILINE)) - body.count("<!-- recipe: ")
        assert unmarked == 0 or "not run" in section, title


@pytest.fixture
def due(bench: Bench, authority: Authority) -> Bench:
    """Return a user whose certificate is due, and who names the renewal's program by its path."""
    enrolled(bench, authority, life=300, since=3000)
    local = bench.sandbox.home / ".local/bin"
    local.mkdir(parents=True)
    (local / "mtls-run").symlink_to(bench.sandbox.program)
    (bench.sandbox.bin / "renew-alice").rename(local / "renew-alice")
    bench.profile(f"{FILES}\n{RENEW.replace('renew-alice', '~/.local/bin/renew-alice')}")
    return bench


def by_timer(bench: Bench, *command: str) -> None:
    """Run the command in the environment that a timer has, and see that it renews once."""
    env: dict[str, str | None] = {
        name: value if name == "HOME" or name.startswith("XDG_") else None
        for name, value in bench.sandbox.env.items()
    }
    env |= {"PATH": "/usr/bin:/bin", "EST": bench.env["EST"]}
    file = bench.sandbox.home / "pki/alice.crt"
    seen = {file.read_text()}
    for _ in range(2):
        done = bench.sandbox.execute(command, env=env)
        assert (done.returncode, done.stderr) == (0, ""), done
        seen.add(file.read_text())
    assert len(seen) == 2


def test_systemd(due: Bench) -> None:
    """Systemd finds no fault in the units, and their command renews."""
    service, timer = BLOCKS["systemd service"], BLOCKS["systemd timer"]
    due.sandbox.write("mtls-run-renew.service", service)
    due.sandbox.write("mtls-run-renew.timer", timer)
    runtime = due.sandbox.root / "runtime"
    runtime.mkdir()
    units = ("./mtls-run-renew.service", "./mtls-run-renew.timer")
    words = ("systemd-analyze", "--user", "verify", *units)
    done = due.sandbox.execute(words, env={"XDG_RUNTIME_DIR": str(runtime)})
    assert (done.returncode, done.stderr) == (0, ""), done
    line = re.search("^ExecStart=(.*)$", service, re.MULTILINE)
    assert line
    by_timer(due, *line[1].replace("%h", str(due.sandbox.home)).split())


def test_cron(due: Bench) -> None:
    """Cron takes the line, and its command renews."""
    line = BLOCKS["cron line"]
    due.sandbox.write("crontab", line)
    done = due.sandbox.execute(["crontab", "-n", "crontab"])
    assert done.returncode == 0, done
    by_timer(due, "/bin/sh", "-c", line.split(None, 5)[5])


def test_spiffe(bench: Bench, authority: Authority, tmp_path: Path) -> None:
    """The SVID of the Workload API is handed over, and no file gets its key."""
    python_environment(bench, "spiffe")
    folder = tmp_path / "agent"
    folder.mkdir()
    with services.workload_api(authority, folder) as (socket, svid):
        bench.env["SPIFFE_ENDPOINT_SOCKET"] = f"unix://{socket}"
        done = install(bench, "SPIFFE")
        bench.assert_installed(done, WHEELS)
        assert handed_over(bench) == svid.pem().decode()
    assert_absent(svid.traces, done.stdout, done.stderr, below=[bench.sandbox.root])


def test_vault(bench: Bench, authority: Authority) -> None:
    """Vault issues an identity for each run; without a good token its error is the run's."""
    python_environment(bench, "hvac")
    bench.env |= {"VAULT_ADDR": authority.url, "VAULT_CACERT": str(bench.ca)}
    bench.env |= {"VAULT_TOKEN": VAULT_TOKEN, "LOGNAME": "alice"}
    bench.assert_installed(install(bench, "Vault"), WHEELS)
    assert len(authority.issued) == 1
    bench.env["VAULT_TOKEN"] = "hvs.of-yesterday"
    done = bench.run(newest_pip(), "alpha-pkg")
    assert done.returncode == 125
    error = done.stderr.partition("mtls-run: error: ")[2]
    assert "ended with status 1: hvac.exceptions.Forbidden: permission denied" in error, error
    assert "hvs." not in done.stderr


def test_acme(bench: Bench, tmp_path: Path) -> None:
    """A certificate comes from acme2certifier by certbot, which renews it when mtls-run says so."""
    folder = tmp_path / "acme"
    folder.mkdir()
    bench.env["REQUESTS_CA_BUNDLE"] = str(bench.ca)
    bench.env["PATH"] = f"{bench.sandbox.env['PATH']}:{toolbox.program('certbot')}"
    script = bench.sandbox.bin / "renew-build7"

    @contextlib.contextmanager
    def service(clock: str) -> Iterator[None]:
        with services.acme(bench.server, folder, clock) as url:
            text = BLOCKS["ACME sh"].replace("https://acme.corp.example/directory", url)
            bench.sandbox.write(script, text, mode=0o755)
            yield

    live = bench.sandbox.home / f"pki/acme/live/{BUILD7}/fullchain.pem"
    with service("-17h"):
        done = bench.sandbox.execute([script], env=bench.tool_env(None))
        assert done.returncode == 0, done
    old = live.read_text()
    with service("+0"):
        bench.profile(BLOCKS["ACME toml"])
        env = {**bench.env, "PATH": f"{newest_pip().ready().bin}:{bench.env['PATH']}"}
        words = bench.install(newest_pip(), "alpha-pkg")
        done = bench.sandbox.run(*words, env={**bench.tool_env(None), **env}, timeout=120)
    bench.assert_installed(done, WHEELS, f"CN={BUILD7}")
    assert live.read_text() != old
    listed = bench.sandbox.run("profile", "list", env=bench.tool_env(None)).stdout
    assert "the last attempt worked" in listed


def test_kubectl(bench: Bench) -> None:
    """A plugin gets its arguments, and what it prints is taken."""
    bench.sandbox.write("printed", credential(bench.alice))
    script = '#!/bin/sh\n[ "$*" = get-token ] && exec cat "$HOME/printed"\n'
    bench.sandbox.write(bench.sandbox.bin / "my-exec-plugin", script, mode=0o755)
    bench.assert_installed(install(bench, "kubectl"), WHEELS)


GOOGLE = "/opt/google/endpoint-verification/bin/apihelper"
AUTH = """
import sys
from google.auth.transport import mtls
sys.stdout.write(b"".join(mtls.default_client_cert_source()()).decode())
"""


def by_google(bench: Bench) -> str:
    """Return the identity that google-auth finds in this home."""
    python = toolbox.program("google-auth") / "python"
    done = bench.sandbox.execute([python, "-c", AUTH])
    assert done.returncode == 0, done
    return done.stdout


def test_google(bench: Bench) -> None:
    """The command of google-auth's own settings gives mtls-run the same identity."""
    program = bench.sandbox.home / "apihelper"
    bench.sandbox.write("printed", bench.alice.pem(order="key-leaf-chain"))
    script = '#!/bin/sh\n[ "$*" = --print_certificate ] && exec cat "$HOME/printed"\n'
    bench.sandbox.write(program, script, mode=0o755)
    recipe = BLOCKS["Google toml"]
    assert GOOGLE in recipe
    bench.profile(recipe.replace(GOOGLE, str(program)))
    command = [str(program), "--print_certificate"]
    settings = json.dumps({"cert_provider_command": command})
    bench.sandbox.write(".secureConnect/context_aware_metadata.json", settings)
    assert handed_over(bench) == by_google(bench) == bench.alice.pem().decode()
    bench.assert_installed(bench.run(newest_pip(), "alpha-pkg"), WHEELS)


def test_googles_certificate_config(bench: Bench) -> None:
    """The file that gcloud wrote becomes a profile, with the identity that google-auth takes."""
    pki = bench.sandbox.home / "pki"
    bench.sandbox.write("pki/a.pem", bench.alice.cert_pem + bench.alice.chain_pem)
    bench.sandbox.write("pki/a.key", bench.alice.key_pem())
    named = {"cert_path": str(pki / "a.pem"), "key_path": str(pki / "a.key")}
    settings = json.dumps({"cert_configs": {"workload": named}})
    bench.sandbox.write(".config/gcloud/certificate_config.json", settings)
    path = f"{bench.sandbox.program.parent}:{bench.sandbox.env['PATH']}"
    done = bench.sandbox.execute(["sh", "-ec", BLOCKS["certificate_config sh"]], env={"PATH": path})
    assert done.returncode == 0, done
    assert handed_over(bench) == by_google(bench) == bench.alice.pem().decode()
