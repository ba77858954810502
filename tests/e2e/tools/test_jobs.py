"""Lock, install, build, publish with real tools: each cell of the table in docs/tools.md."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.tools import jobs, table
from tests.e2e.tools.jobs import ANONYMOUS, JOBS, READS, STOPPED, YES
from tests.e2e.tools.scene import Failed

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

    from tests.e2e.tools.jobs import Job
    from tests.e2e.tools.scene import Scene

pytestmark = pytest.mark.e2e

QUICK = {("pdm-new", jobs.lock_by_pdm), ("twine-new", jobs.upload_by_twine)}


def cells(*quick: tuple[str, object]) -> list[ParameterSet]:
    """Return each job with each program; those that are not `quick` are slow."""
    return [
        pytest.param(
            program,
            job,
            id=f"{program}-{job.do.__name__}",
            marks=() if (program, job.do) in quick else pytest.mark.slow,
        )
        for job in JOBS
        for program in job.programs
    ]


def do(job: Job, scene: Scene, program: str, outcome: str) -> None:
    """Do the job; fail unless it ends as the table says."""
    if outcome == YES:
        job.do(scene, program)
        return
    with pytest.raises(Failed) as failed:
        job.do(scene, program)
    if outcome == STOPPED:
        scene.assert_refused(failed.value.done, job.tool)
    elif outcome == READS:
        scene.assert_seen()
        asked = [request.uri for request in scene.bench.server.requests()]
        assert [one for one in asked if one.endswith("/git-upload-pack")] == []
    else:
        assert outcome == ANONYMOUS
        scene.assert_anonymous()


def test_the_table() -> None:
    """docs/tools.md has a row for each job, and says what the tests below check."""
    assert table.rows_of_page() == table.rows()


@pytest.mark.parametrize(("program", "job"), cells(*QUICK))
def test_by_file(scene: Scene, program: str, job: Job) -> None:
    """The job is done with the locked identity, unlocked in memory, and nothing is left of it."""
    # The last pdm for Python 3.9 is one that cannot do it.
    is_late = program == "pdm-new" and sys.version_info < (3, 10)
    do(job, scene, program, STOPPED if is_late else job.by_file)


@pytest.mark.parametrize(("program", "job"), cells(("flit-new", jobs.publish_by_flit)))
def test_by_gateway(scene: Scene, program: str, job: Job) -> None:
    """The same by the gateway, which alone has the key."""
    scene.gateway()
    do(job, scene, program, job.by_gateway)
