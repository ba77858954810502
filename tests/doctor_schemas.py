"""Write the JSON schemas of doctor's answers into docs/: `python -m tests.doctor_schemas`.

`tests/cli/test_doctor_schemas.py` fails if a file is not what this would write. Tests check real
answers with `check`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, cast

import fastjsonschema

from mtls_run.doctor.findings import CATALOGUE, RANKS
from mtls_run.tools.registry import MODULES

DOCS = Path(__file__).parents[1] / "docs"
PARTS = ("profile", "identity", "roots", "tools", "indexes")
Schema = dict[str, Any]


def obj(properties: dict[str, Schema], more: str = "") -> Schema:
    """Return the schema of an object that has these properties, and no others."""
    found: Schema = {"type": "object", "additionalProperties": False}
    found |= {"required": list(properties), "properties": properties}
    return {"description": more, **found} if more else found


def of(kind: str, about: str = "", **more: Any) -> Schema:
    """Return the schema of a plain value."""
    return {**({"description": about} if about else {}), "type": kind, **more}


def maybe(schema: Schema) -> Schema:
    """Return the same, or null."""
    if "enum" in schema:
        return {**schema, "type": [schema["type"], "null"], "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]}


def listed(items: Schema, about: str = "") -> Schema:
    """Return the schema of a list."""
    return of("array", about, items=items)


CODE = of("string", "docs/findings.md explains each.", enum=list(CATALOGUE))
RANK = of("string", "An error stops a tool.", enum=list(RANKS))
STATUS = of("integer", "The exit status: 1 if there is an error.", enum=[0, 1])
VERDICT = of("string", enum=["works", "fails", "unknown"])
TOOL_KINDS = of("string", enum=["pip", "uv", *sorted(MODULES)])
FACTS: dict[str, Schema] = {
    "protocol": maybe(
        of("string", "The version of TLS.", enum=["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])
    ),
    "verified": maybe(of("boolean", "The roots verify the server and its name.")),
    "asks_for_identity": maybe(of("boolean", "The server asks for a client certificate.")),
    "http_status": maybe(of("integer", "The status of the index's answer.")),
    "page": maybe(of("string", enum=["PEP 503 HTML", "PEP 691 JSON"])),
    "tools": of(
        "object",
        "What each tool makes of the server.",
        propertyNames=TOOL_KINDS,
        additionalProperties=VERDICT,
    ),
}
ROW = obj(
    {
        "what": of("string"),
        "value": of("string"),
        "origin": maybe(of("string", "FILE:LINE, a variable, or a flag.")),
        "part": of("string", "The part of the report.", enum=["", *PARTS]),
    }
)
DOCTOR = obj(
    {
        "profile": maybe(of("string", "The name of the profile that applies here.")),
        "machine": listed(ROW, "What was examined on this machine."),
        "urls": listed(
            obj(
                {
                    "url": of("string", "Without a password."),
                    "origin": of("string", "What names it."),
                    "address": maybe(of("string", "The address of the connection.")),
                    "asked_by": listed(TOOL_KINDS),
                    "proxy": maybe(of("string", "The proxy's URL, without a password.")),
                    **FACTS,
                    "accepted": listed(of("string"), "The CAs of which the server accepts one."),
                    "rows": listed(ROW),
                }
            ),
            "null stands for a step that was not reached.",
        ),
        "findings": listed(
            obj(
                {
                    "code": CODE,
                    "rank": RANK,
                    "fact": of("string"),
                    "action": of("string", "What mends it."),
                    "origin": maybe(of("string")),
                    "stops": maybe(of("string", "The tools that it stops; null: all.")),
                    "about": listed(of("string"), "Parts of the report, or URLs."),
                }
            ),
            "The most important last.",
        ),
        "status": STATUS,
    }
)
VERSION = of("string", pattern=r"^[0-9][0-9A-Za-z.+-]{0,30}$")
FLEET = obj(
    {
        "format": of("integer", "It changes if a field changes its meaning or goes.", enum=[1]),
        "mtls_run": VERSION,
        "system": of("string", enum=["linux", "darwin", "win32"]),
        "python": VERSION,
        "profile": maybe(
            of("string", "What has the profile.", enum=["configuration", "project", "pip"])
        ),
        "days_left": maybe(of("integer", "Whole days until the certificate expires.")),
        "tools": of(
            "object",
            "The versions of the tools on PATH.",
            propertyNames=TOOL_KINDS,
            additionalProperties=maybe(VERSION),
        ),
        "indexes": listed(
            obj({"proxy": of("boolean", "A proxy is in front of it."), **FACTS}),
            "Without names, in doctor's order.",
        ),
        "findings": listed(
            obj(
                {
                    "code": CODE,
                    "rank": RANK,
                    "stops": {
                        **of("array", "null: all", items=TOOL_KINDS),
                        "type": ["array", "null"],
                    },
                    "parts": listed(of("string", enum=list(PARTS))),
                    "indexes": listed(of("integer", minimum=1), "Positions, from 1."),
                }
            ),
            "The most important last.",
        ),
        "status": STATUS,
    }
)
SCHEMAS = {
    "doctor": ("mtls-run doctor --json", DOCTOR),
    "doctor-fleet": ("mtls-run doctor --fleet", FLEET),
}


def text(name: str) -> str:
    """Return the file of this schema."""
    title, schema = SCHEMAS[name]
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": title}
    return json.dumps({**head, **schema}, indent=1, ensure_ascii=False) + "\n"


def path(name: str) -> Path:
    """Return the path of this schema."""
    return DOCS / f"{name}.schema.json"


def _compiled(name: str) -> Callable[[Any], Any]:
    return cast("Callable[[Any], Any]", fastjsonschema.compile(json.loads(path(name).read_text())))


_VALIDATORS: dict[str, Callable[[Any], Any]] = {}


def check(answer: object, name: str = "doctor") -> None:
    """Fail if the answer is not as the published schema has it."""
    if name not in _VALIDATORS:
        _VALIDATORS[name] = _compiled(name)
    try:
        _VALIDATORS[name](answer)
    except fastjsonschema.JsonSchemaValueException as error:
        raise AssertionError(f"{name}.schema.json: {error.message}: {error.value!r}") from None


if __name__ == "__main__":
    for schema_name in SCHEMAS:
        path(schema_name).write_text(text(schema_name), encoding="utf-8")
