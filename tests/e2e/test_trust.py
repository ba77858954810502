"""A profile means exactly one set of roots and one identity, whatever the surroundings say."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bench import EVERYTHING, WHEELS
from tests.e2e.packages import GAMMA, gamma_sdist
from tests.e2e.toolbox import Tool, in_slow_tier, newest_pip, newest_uv, pips, uvs
from tests.pki import Authority

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.e2e.bench import Bench

pytestmark = pytest.mark.e2e

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "SSL_CERT_FILE")
IDENTITIES = ("PIP_CLIENT_CERT", "SSL_CLIENT_CERT")
# So that a refusal is not tried again and again.
ONCE = {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0"}

SOME = [
    newest_pip(),
    newest_uv(),
    *in_slow_tier(*pips("21.3", "24.0", "24.2"), *uvs("0.2.11", "0.9.30")),
]


def wrong_files(bench: Bench) -> dict[str, str]:
    """Return variables that name files that are sound, and wrong."""
    other = Authority.create("Other")
    folder = bench.sandbox.home / "wrong"
    bench.sandbox.write(folder / "dir" / "other.pem", other.pem)
    bundle = bench.sandbox.write(folder / "ca.pem", other.pem)
    identity = bench.sandbox.write(folder / "mallory.pem", other.issue("mallory").pem())
    found = dict.fromkeys(BUNDLES, str(bundle))
    found.update(dict.fromkeys(IDENTITIES, str(identity)), SSL_CERT_DIR=str(folder / "dir"))
    return found


def missing_files(bench: Bench) -> dict[str, str]:
    """Return variables that name nothing."""
    nothing = str(bench.sandbox.home / "nothing")
    return dict.fromkeys([*BUNDLES, *IDENTITIES, "SSL_CERT_DIR"], nothing)


@pytest.mark.parametrize("tool", SOME, ids=str)
def test_hostile_variables(bench: Bench, tool: Tool) -> None:
    """A chosen profile replaces what the environment says of trust and identity."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(f'client-cert = "{identity}"')
    bench.assert_installed(bench.run(tool, env=wrong_files(bench)))


@pytest.mark.parametrize("tool", SOME, ids=str)
def test_variables_that_name_nothing(bench: Bench, tool: Tool) -> None:
    """It does so as well where the environment names files that are not there."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(f'client-cert = "{identity}"')
    done = bench.run(tool, "alpha-pkg", env=missing_files(bench))
    bench.assert_installed(done, WHEELS)


@pytest.mark.parametrize("tool", [newest_pip(), *in_slow_tier(*pips("24.0"))], ids=str)
@pytest.mark.parametrize("section", ["global", "install"])
def test_hostile_pip_configuration(bench: Bench, tool: Tool, section: str) -> None:
    """A chosen profile outranks what pip's own file says."""
    identity = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    bench.profile(f'client-cert = "{identity}"')
    wrong = wrong_files(bench)
    text = f"[{section}]\ncert = {wrong['PIP_CERT']}\nclient-cert = {wrong['PIP_CLIENT_CERT']}\n"
    file = bench.sandbox.write("pip.conf", text)
    bench.assert_installed(bench.run(tool, env={"PIP_CONFIG_FILE": str(file)}))


def credulous(bench: Bench, tool: Tool) -> Path:
    """Return the bin directory of a copy of the tool that trusts the server by default.

    A pip has its own copy of certifi, where the server's CA is added; a uv has its roots inside
    and stays as it is.
    """
    if tool.kind == "uv":
        return tool.ready().bin
    folder = bench.sandbox.root / "credulous"
    shutil.copytree(tool.ready().folder, folder, symlinks=True)
    (bundle,) = folder.glob("lib/python3*/site-packages/pip/_vendor/certifi/cacert.pem")
    with bundle.open("ab") as stream:
        stream.write(b"\n" + bench.server.server_ca.pem)
    program = folder / "bin" / "pip"
    program.write_text(program.read_text().replace(str(tool.folder), str(folder)))
    return folder / "bin"


def run_credulous(bench: Bench, tool: Tool, *packages: str) -> subprocess.CompletedProcess[str]:
    """Run a credulous tool through mtls-run, where every variable speaks for the server."""
    folder = bench.sandbox.home / "trusting"
    bench.sandbox.write(folder / "server.pem", bench.server.server_ca.pem)
    env = bench.tool_env(tool, {**dict.fromkeys(BUNDLES, str(bench.ca)), **ONCE})
    env["SSL_CERT_DIR"] = str(folder)
    env["PATH"] = f"{credulous(bench, tool)}:{bench.sandbox.env['PATH']}"
    return bench.sandbox.run(*bench.install(tool, *packages), env=env, timeout=120)


def assert_distrusted(bench: Bench, done: subprocess.CompletedProcess[str]) -> None:
    """Fail unless the tool ran, called, and would not talk to the server."""
    assert done.returncode not in (0, 125), done
    assert bench.server.requests() == []
    assert bench.server.failed_handshakes() != []
    assert bench.installed() == {}


@pytest.mark.slow
@pytest.mark.parametrize("variable", [*BUNDLES, None])
def test_surroundings_are_trusting(bench: Bench, variable: str | None) -> None:
    """Without mtls-run, the pip of the tests below trusts the server, by variable or by itself."""
    tool = newest_pip()
    path = bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    env = bench.tool_env(tool, {"PIP_CLIENT_CERT": str(path), **ONCE})
    folder = tool.ready().bin if variable else credulous(bench, tool)
    if variable is not None:
        env[variable] = str(bench.ca)
    program, *rest = bench.install(tool)
    bench.assert_installed(bench.sandbox.execute([folder / program, *rest], env=env, timeout=120))


@pytest.mark.parametrize(
    "tool",
    [
        newest_pip(),
        newest_uv(),
        *in_slow_tier(*pips("24.0", "24.2", "25.0.1"), *uvs()[:-1]),
    ],
    ids=str,
)
def test_only_the_ca_of_the_profile(bench: Bench, tool: Tool) -> None:
    """With roots `none` and another CA, no tool trusts the server."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    other = bench.sandbox.write("pki/other.pem", Authority.create("Other").pem)
    bench.profile(f'client-cert = "~/pki/alice.pem"\nca-cert = "{other}"')
    assert_distrusted(bench, run_credulous(bench, tool, "alpha-pkg"))


@pytest.mark.parametrize(
    "tool", [newest_pip(), newest_uv(), *in_slow_tier(*pips("24.0", "24.2"))], ids=str
)
@pytest.mark.parametrize("roots", ["system", "public"])
@pytest.mark.parametrize(
    "more", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["with-ca", "alone"]
)
def test_only_the_roots_of_the_profile(bench: Bench, tool: Tool, roots: str, more: bool) -> None:
    """`system` is the operating system's store and `public` is certifi, whatever is set."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    other = bench.sandbox.write("pki/other.pem", Authority.create("Other").pem)
    lines = ['default-profile = "corp"', "[profiles.corp]", 'client-cert = "~/pki/alice.pem"']
    lines += [f'roots = "{roots}"', *([f'ca-cert = "{other}"'] if more else [])]
    bench.sandbox.write_config("\n".join(lines))
    assert_distrusted(bench, run_credulous(bench, tool, "alpha-pkg"))


@pytest.mark.parametrize(
    "tool",
    [newest_pip(), newest_uv(), *in_slow_tier(*pips("24.0", "24.2", "25.0.1", "26.2"))],
    ids=str,
)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_build_isolation_trusts_the_same(bench: Bench, tool: Tool, known: bool) -> None:
    """What fetches the build backend trusts what its parent trusts, no more and no less."""
    bench.sandbox.write("pki/alice.pem", bench.alice.pem())
    other = bench.sandbox.write("pki/other.pem", Authority.create("Other").pem)
    ca = bench.ca if known else other
    bench.profile(f'client-cert = "~/pki/alice.pem"\nca-cert = "{ca}"')
    # A local sdist: the child is the first and only one to call on the server.
    sdist = bench.sandbox.write(f"gamma_src-{GAMMA}.tar.gz", gamma_sdist())
    done = run_credulous(bench, tool, str(sdist))
    if known:
        assert done.returncode == 0, done
        assert bench.installed() == {"gamma-src": EVERYTHING["gamma-src"]}
        assert {request.subject for request in bench.server.requests()} == {bench.subject}
    else:
        assert_distrusted(bench, done)
