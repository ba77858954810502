"""doctor and every fault of the catalogue, and set-ups in which nothing is wrong."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.e2e.faults import FAULTS, HEALTHY, servers
from tests.e2e.faults.scene import Fault, Finding, Healthy, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from _pytest.mark.structures import ParameterSet

    from tests.e2e.faults.servers import Servers
    from tests.sandbox import Sandbox

pytestmark = pytest.mark.e2e

# What people meet most, and one of each kind; the others are the slow tier's.
TELLING = {
    "CA not named in the profile",
    "intermediate missing at the server",
    "identity of another CA",
    "identity expired",
    "key of another certificate",
    "no keyring",
    "proxy wants a password",
    "403",
    "no listener",
    "ec, ready",
    "rsa, encrypted",
    "ed25519, PKCS#12",
}


@pytest.fixture(scope="session")
def faulty_servers() -> Iterator[Servers]:
    """Run every server of the catalogue for the whole session."""
    with servers.running() as found:
        yield found


@pytest.fixture
def scene(sandbox: Sandbox, faulty_servers: Servers) -> Iterator[Scene]:
    """Return a set-up in which nothing is wrong."""
    with ExitStack() as stack:
        yield Scene.create(sandbox, faulty_servers, stack)


def in_tiers(cases: Sequence[Fault] | Sequence[Healthy]) -> list[ParameterSet]:
    """Return these cases as parameters, most of them in the slow tier."""
    return [
        pytest.param(case, id=case.name, marks=() if case.name in TELLING else pytest.mark.slow)
        for case in cases
    ]


@pytest.mark.parametrize("fault", in_tiers(FAULTS))
def test_fault(scene: Scene, fault: Fault) -> None:
    """The last finding is the true cause, in JSON and in text; neither shows a secret."""
    fault.happen(scene)
    verdict = scene.examine()
    shown = [(one.code, one.rank, one.fact) for one in verdict.findings]
    assert shown, verdict.done
    top = verdict.findings[-1]
    assert (top.code, top.rank) == (fault.code, fault.rank), shown
    assert fault.says in top.fact, top
    assert verdict.done.returncode == fault.status, shown
    assert [one for one in verdict.findings if not (one.fact and one.action)] == []
    assert "Traceback" not in verdict.done.stderr
    scene.assert_kept_secret(verdict.done)
    assert_said_last(scene, top, fault.status)


def assert_said_last(scene: Scene, top: Finding, status: int) -> None:
    """Fail unless the text ends with this finding and the verdict."""
    done = scene.run()
    text, fact, action = (" ".join(words.split()) for words in (done.stdout, top.fact, top.action))
    assert done.returncode == status, done
    assert f"{top.rank} {top.code}: {fact}" in text, done.stdout
    end, _, verdict = text.rpartition(" verdict: ")
    assert end[:-2].endswith(f"do: {action}"), (top, done.stdout)
    assert verdict, done.stdout
    scene.assert_kept_secret(done)


@pytest.mark.parametrize("case", in_tiers(HEALTHY))
def test_nothing_wrong(scene: Scene, case: Healthy) -> None:
    """If nothing is wrong there are no errors and warnings, and only the expected notes."""
    case.happen(scene)
    verdict = scene.examine()
    shown = [(one.code, one.rank, one.fact) for one in verdict.findings]
    assert verdict.done.returncode == 0, shown
    assert {one.rank for one in verdict.findings} <= {"note"}, shown
    assert sorted(verdict.codes) == sorted(case.notes), shown
    assert sorted(scene.codes_for_a_fleet()) == sorted(case.notes)
    scene.assert_kept_secret(verdict.done)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_for_a_fleet(scene: Scene, fault: Fault) -> None:
    """The answer for a fleet has the code, and by its schema no text that could name anything."""
    fault.happen(scene)
    assert scene.codes_for_a_fleet()[-1] == fault.code


def test_names_are_unique() -> None:
    """Every case has its own name, and those of the default tier exist."""
    names = [*map(str, FAULTS), *map(str, HEALTHY)]
    assert len(set(names)) == len(names)
    assert set(names) >= TELLING
