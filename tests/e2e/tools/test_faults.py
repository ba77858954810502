"""What stops a tool before a request, and what must not: files of the user, and of a project."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.tools import jobs
from tests.e2e.tools.jobs import JOBS, YES
from tests.e2e.tools.scene import WHEEL, Failed

if TYPE_CHECKING:
    from tests.e2e.tools.jobs import Job
    from tests.e2e.tools.scene import Scene

pytestmark = pytest.mark.e2e

MODERN = sys.version_info >= (3, 10)  # pdm needs 2.27, which Python 3.9 lacks
QUICK = (jobs.lock_by_pdm, jobs.upload_by_twine)
# A job of each tool; pipx and the uv of tox-uv write to HOME themselves.
ON_READ_ONLY = {
    job.tool: job
    for job in JOBS
    if job.by_file == YES and job.tool not in ("pipx", "tox-uv") and (MODERN or job.tool != "pdm")
}


@pytest.mark.parametrize(
    "job",
    [pytest.param(job, marks=() if job.do in QUICK else pytest.mark.slow) for job in JOBS],
    ids=lambda job: f"{job.programs[-1]}-{job.do.__name__}",
)
def test_an_expired_identity(scene: Scene, job: Job) -> None:
    """Each tool is stopped before it sends anything; by the gateway where that is its only way."""
    host = scene.bench.server.url.split("/")[2]
    expired = scene.bench.server.issuer.issue("alice", starts=-9, days=-1)
    scene.profile("" if job.by_file == YES else f'hosts = ["{host}"]', identity=expired)
    with pytest.raises(Failed) as failed:
        job.do(scene, job.programs[-1])
    scene.assert_refused(failed.value.done, "expired")


@pytest.mark.slow
def test_flit_by_file(scene: Scene) -> None:
    """The error names the way that works, before a passphrase is asked for."""
    scene.of_flit()
    done = scene.run("flit-new", "flit", "publish", env={"PP": None})
    scene.assert_refused(done, "no version of flit can present a client certificate from a file")
    assert "mtls-run: hint: mtls-run --handoff gateway -- flit publish\n" in done.stderr


@pytest.mark.slow
def test_an_old_pdm(scene: Scene) -> None:
    """It cannot read settings in memory: the error names a version and the gateway."""
    scene.of_pdm()
    done = scene.run("pdm-old", "pdm", "lock")
    scene.assert_refused(done, "pdm 2.20.1 cannot be handed a client certificate; pdm 2.27.0")
    assert "--handoff gateway" in done.stderr


@pytest.mark.slow
def test_hatch_and_the_gateway(scene: Scene) -> None:
    """Its upload would go past the gateway, so it is refused."""
    scene.gateway()
    scene.of_hatch()
    done = scene.run("hatch-new", "hatch", "publish", "-r", scene.upload_url)
    scene.assert_refused(done, "hatch publish ignores proxies")


@pytest.mark.slow
def test_roots_in_the_configuration_of_hatch(scene: Scene) -> None:
    """With them hatch 1.14 would upload without the certificate, so it is refused."""
    text = f'[publish.index]\nca-cert = "{scene.bench.ca}"\n'
    config = scene.write_own("config/hatch/config.toml", text)
    scene.of_hatch()
    done = scene.run("hatch-old", "hatch", "publish", "-r", scene.upload_url)
    scene.assert_refused(done, f"ca-cert at {config}:2 would make hatch upload without")


@pytest.mark.slow
def test_a_project_with_another_certificate_for_poetry(scene: Scene) -> None:
    """The variables of the profile beat the project's poetry.toml."""
    mallory = scene.bench.server.issuer.issue("mallory")
    scene.write("mallory.pem", mallory.pem())
    lines = ['client-cert = "mallory.pem"', 'cert = "mallory.pem"']
    scene.write("poetry.toml", "\n".join(["[certificates.corp-int]", *lines, ""]))
    scene.of_poetry()
    scene.well("poetry-new", "poetry", "lock")
    scene.assert_seen("alpha-pkg")


@pytest.mark.slow
def test_poetry_shows_it_to_the_hosts_of_pips_indexes(scene: Scene) -> None:
    """With pip's own settings, a source on another host sees no certificate."""
    scene.bench.sandbox.config_file.unlink()
    identity = scene.bench.sandbox.write("pki/plain.pem", scene.bench.alice.pem())
    scene.plain = (identity,)
    scene.of_poetry()
    for index in (scene.bench.server.url, "https://pypi.example/"):
        text = f"cert = {scene.bench.ca}\nclient-cert = {identity}\nindex-url = {index}\n"
        path = str(scene.bench.sandbox.write("pip.conf", f"[global]\n{text}"))
        env = {"PIP_CONFIG_FILE": path, "PIP_INDEX_URL": None}
        scene.bench.server.forget()
        if index == scene.bench.server.url:
            scene.well("poetry-new", "poetry", "lock", env=env)
            scene.assert_seen("alpha-pkg")
        else:
            assert scene.run("poetry-new", "poetry", "lock", "--regenerate", env=env).returncode
            scene.assert_anonymous()


@pytest.mark.slow
@pytest.mark.skipif(not MODERN, reason="no pdm for Python 3.9 presents a certificate by file")
def test_pdm_shows_it_to_the_hosts_of_pips_indexes(scene: Scene) -> None:
    """With pip's own settings, a source on another host sees no certificate."""
    scene.bench.sandbox.config_file.unlink()
    identity = scene.bench.sandbox.write("pki/plain.pem", scene.bench.alice.pem())
    scene.plain = (identity,)
    scene.of_pdm()
    # The other one first: pdm keeps the pages of an index.
    for index in ("https://pypi.example/", scene.bench.server.url):
        text = f"cert = {scene.bench.ca}\nclient-cert = {identity}\nindex-url = {index}\n"
        path = str(scene.bench.sandbox.write("pip.conf", f"[global]\n{text}"))
        env = {"PIP_CONFIG_FILE": path, "PIP_INDEX_URL": None}
        scene.bench.server.forget()
        if index == scene.bench.server.url:
            scene.well("pdm-new", "pdm", "lock", env=env)
            scene.assert_seen("alpha-pkg")
        else:
            assert scene.run("pdm-new", "pdm", "lock", env=env).returncode
            scene.assert_anonymous()


def test_a_project_with_another_certificate_for_pdm(scene: Scene) -> None:
    """Pdm would prefer the project's, so the run is refused, with its line."""
    scene.of_pdm()
    path = scene.write("pdm.toml", '[pypi.corp]\nclient_cert = "mallory.pem"\n')
    done = scene.run("pdm-new", "pdm", "lock")
    scene.assert_refused(done, f"pdm prefers client_cert at {path}:2 to the profile's")


def test_repositories_of_the_user(scene: Scene) -> None:
    """Those in the user's own files count, with their passwords; another certificate loses."""
    scene.built()
    scene.well("twine-new", "twine", "upload", "--non-interactive", "-r", "corp", f"dist/{WHEEL}")
    scene.assert_uploaded()
    if MODERN:
        scene.uploads.clear()
        scene.of_pdm()
        scene.well("pdm-new", "pdm", "publish", "--no-build", "-r", "corp")
        scene.assert_uploaded()


@pytest.mark.parametrize(
    "program",
    [pytest.param("poetry-new", marks=pytest.mark.slow), *(["pdm-new"] if MODERN else [])],
)
def test_supervised(scene: Scene, program: str) -> None:
    """By a private file, the settings are one too, and nothing is left of either."""
    scene.of_poetry() if program == "poetry-new" else scene.of_pdm()
    tool = program.partition("-")[0]
    scene.well(program, "--handoff", "supervise", tool, "lock")
    scene.assert_seen("alpha-pkg")
    left = (scene.bench.sandbox.root / "run/mtls-run").iterdir()
    assert [path.name for path in left] == [".gate"]


@pytest.mark.slow
@pytest.mark.parametrize("job", ON_READ_ONLY.values(), ids=lambda job: job.programs[-1])
def test_a_home_that_cannot_be_written(scene: Scene, job: Job) -> None:
    """Nothing of a run needs a place on a disk."""
    scene.read_only = (scene.bench.sandbox.home, scene.bench.sandbox.root / "config")
    job.do(scene, job.programs[-1])
