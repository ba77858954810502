"""The published schemas of doctor's answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mtls_run.doctor.findings import CATALOGUE
from tests import doctor_schemas


@pytest.mark.parametrize("name", doctor_schemas.SCHEMAS)
def test_the_published_file_is_current(name: str) -> None:
    """It is what `python -m tests.doctor_schemas` writes, with every code."""
    text = doctor_schemas.path(name).read_text(encoding="utf-8")
    assert text == doctor_schemas.text(name)
    schema = json.loads(text)
    code = schema["properties"]["findings"]["items"]["properties"]["code"]
    assert code["enum"] == list(CATALOGUE)


def strings(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema of every string in this schema."""
    kind = schema.get("type")
    found = [schema] if kind == "string" or (isinstance(kind, list) and "string" in kind) else []
    inner = [*schema.get("properties", {}).values()]
    inner += [
        schema[key] for key in ("items", "additionalProperties", "propertyNames") if key in schema
    ]
    return found + [one for part in inner if isinstance(part, dict) for one in strings(part)]


def test_a_fleets_answer_has_no_free_text() -> None:
    """Each string is one of a list, or a version; no object has other keys."""
    schema = json.loads(doctor_schemas.path("doctor-fleet").read_text(encoding="utf-8"))
    found = strings(schema)
    assert len(found) > 10
    patterns = {one["pattern"] for one in found if "enum" not in one}
    assert patterns == {doctor_schemas.VERSION["pattern"]}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"profile": 1, "machine": [], "urls": [], "findings": [], "status": 0},
        {"profile": None, "machine": [], "urls": [], "findings": [], "status": 2},
        {"profile": None, "machine": [], "urls": [], "findings": [], "status": 0, "more": 1},
        {"profile": None, "machine": [], "urls": [], "findings": [{"code": "new"}], "status": 0},
    ],
)
def test_another_answer_does_not_pass(answer: object) -> None:
    """The check of the tests can fail."""
    with pytest.raises(AssertionError, match=r"doctor\.schema\.json"):
        doctor_schemas.check(answer)
