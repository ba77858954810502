"""The locks: what they pin is what pyproject.toml asks for, by hash, and nothing of a machine."""

from __future__ import annotations

import re
import sys

import pytest

from tests.supply import lock

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((lock.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
ASKED = {
    "run": PROJECT["dependencies"],
    "file": PROJECT["dependencies"] + EXTRAS["gateway"] + EXTRAS["pkcs11"],
    "test": PROJECT["dependencies"] + EXTRAS["pkcs11"] + EXTRAS["test"],
    "dev": PROJECT["dependencies"] + EXTRAS["pkcs11"] + EXTRAS["test"] + EXTRAS["lint"],
    "lowest": PROJECT["dependencies"] + EXTRAS["pkcs11"] + EXTRAS["test"],
}
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[>=]=(?P<lowest>[\w.]+)(?:; (?P<marker>.+))?")


def lowest_admitted(requirements: list[str]) -> dict[str, str]:
    """Return the lowest version that each requirement admits, by NAME>=VERSION or NAME==VERSION."""
    found = {}
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement)
        assert match, requirement
        found[lock.normal(match["name"])] = match["lowest"]
    return found


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version without `.post1` and trailing zeros, to compare."""
    found = [int(part) for part in version.partition(".post")[0].split(".")]
    while found and not found[-1]:
        found.pop()
    return tuple(found)


@pytest.mark.parametrize("name", lock.LOCKS)
def test_each_lock_is_whole(name: str) -> None:
    """Every pin has the hashes of its files, and every direct requirement has a pin."""
    pins = lock.read(name)
    assert [pin for pin in pins if not pin.hashes] == []
    direct = {pin.name for pin in pins if pin.direct}
    assert direct == set(lowest_admitted(ASKED[name]))


@pytest.mark.parametrize("name", lock.LOCKS)
def test_a_lock_is_of_no_machine(name: str) -> None:
    """No lock names an index, a directory or an option: pip and uv take them from the user."""
    text = (lock.FOLDER / f"{name}.lock").read_text(encoding="utf-8")
    text = text.replace("-c requirements/dev.lock", "")
    assert re.findall(r"://|/\w|^-|file:", text, re.MULTILINE) == []


def test_the_smaller_locks_are_parts_of_the_larger() -> None:
    """What runs is what was tested, and what was tested is what was linted, to the byte."""
    found = {}
    for name in ("run", "test", "dev"):
        found[name] = {(pin.name, pin.version): pin.hashes for pin in lock.read(name)}
    assert found["run"].items() <= found["test"].items() <= found["dev"].items()


def test_the_lowest_are_the_lowest() -> None:
    """The lock of the lowest has each direct requirement as pyproject.toml says."""
    admitted = lowest_admitted(ASKED["lowest"])
    pinned = {pin.name: pin.version for pin in lock.read("lowest") if pin.direct}
    found = {name: numbers(version) for name, version in pinned.items()}
    assert found == {name: numbers(version) for name, version in admitted.items()}
