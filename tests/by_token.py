"""Open a profile's token in a process of its own, as the gateway does, and tell what happened.

It takes a request as JSON on standard input and prints an answer as JSON. A PKCS#11 module keeps
its state for the life of a process, so each test starts one. It imports mtls-run alone, so that
any Python that has it installed runs this file.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import ssl
import sys
import threading
import time
from typing import Any

from mtls_run.config import layers
from mtls_run.config.origin import Origin
from mtls_run.errors import MtlsRunError
from mtls_run.identity import token
from mtls_run.secret import Secret


def fetch(identity: token.TokenIdentity, asked: dict[str, Any], version: str) -> str:
    """Return how the server answers a request over a connection of its own."""
    context = ssl.create_default_context(cafile=asked["ca"])
    if version != "any":
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    try:
        identity.load(context)
    except MtlsRunError as error:
        return error.fact
    connection = http.client.HTTPSConnection("localhost", asked["port"], context=context)
    try:
        connection.request("GET", "/mark")
        status = connection.getresponse().status
        spoken = connection.sock.version() if version == "any" else ""
        return f"{status} {spoken}".strip()
    except OSError as error:
        return f"{type(error).__name__}: {identity.failure and identity.failure.fact}"
    finally:
        connection.close()


def told(error: MtlsRunError) -> dict[str, Any]:
    """Return an error, ready for JSON."""
    return {"fact": error.fact, "hint": error.hint, "code": error.code}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Return what happened."""
    profile = layers.load(os.environ).profile("corp", Origin("NAME"))
    identity = token.of(profile)
    assert identity is not None
    done: dict[str, Any] = {"errors": [], "answers": []}
    try:
        facts, opened = identity.inspect(), None
        done["needs_pin"], done["leaf"] = facts.needs_pin, facts.leaf is not None
        for pin in asked["pins"]:
            try:
                opened = identity.open(Secret(pin.encode()))
            except MtlsRunError as error:
                done["errors"].append(told(error))
        if opened is not None:
            done["opened"] = [opened.kind.name, opened.mechanism, len(opened.chain)]
        for version in asked.get("versions", ()):
            done["answers"].append(fetch(identity, asked, version))
        if asked.get("threads"):
            done["answers"] += at_once(identity, asked)
        if asked.get("pull"):
            shutil.rmtree(asked["pull"])
            done["answers"].append(fetch(identity, asked, asked["versions"][0]))
        identity.close()
    except MtlsRunError as error:
        done["errors"].append(told(error))
    return done


def at_once(identity: token.TokenIdentity, asked: dict[str, Any]) -> list[str]:
    """Return the answers to requests that are made at once, each in a thread."""
    found: list[str] = []

    def one() -> None:
        found.append(fetch(identity, asked, "TLSv1_3"))

    threads = [threading.Thread(target=one) for _ in range(asked["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


if __name__ == "__main__":
    started = time.monotonic()
    result = answer(json.load(sys.stdin))
    result["seconds"] = time.monotonic() - started
    json.dump(result, sys.stdout)
