"""Faults of this machine: configuration, roots, environment, tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.faults.pki import expired_root
from tests.e2e.faults.scene import (
    CORP,
    Fault,
    Healthy,
    config,
    file,
    identity,
    inside,
    options,
    setting,
    tools,
    url,
    variable,
)

_OF_ENVIRONMENT = setting("roots", '"environment"')

if TYPE_CHECKING:
    from tests.e2e.faults.scene import Scene


def _shims_last(scene: Scene) -> None:
    scene.sandbox.run("shims", "install", "--dir", str(scene.sandbox.home / "shims"))
    scene.env["PATH"] = f"{scene.sandbox.bin}:{scene.sandbox.home / 'shims'}"


CONFIGURATION = (
    Fault("no profile", "no-profile", config(None), url()),
    Fault("profile with a typing error", "config-invalid", config(CORP + 'client-crt = "a"\n')),
    Fault("value of a wrong type", "config-invalid", config(CORP), setting("roots", "1")),
    Fault("not TOML", "config-invalid", config(CORP + "client-key\n")),
    Fault("default that is not there", "config-invalid", config(CORP.replace('"corp"', '"crop"'))),
    Fault("profile that is not there", "config-invalid", options("--profile", "crop")),
    Fault(
        "profiles that extend each other",
        "config-invalid",
        config('[profiles.base]\nextends = "corp"\n[profiles.corp]\n'),
        setting("extends", '"base"'),
        options("--profile", "corp"),
    ),
    Fault(
        "configuration not there",
        "config-missing",
        variable("MTLS_RUN_CONFIG", "nowhere.toml"),
    ),
    Fault(
        "project not allowed",
        "project-not-allowed",
        file("project/.mtls-run.toml", lambda _: 'client-cert = "its-own.pem"\n'),
        inside("project"),
    ),
    Fault(
        "project file that everyone can write",
        "config-unsafe",
        file("project/.mtls-run.toml", lambda _: 'profile = "corp"\n', mode=0o666),
        inside("project"),
    ),
)

TRUST = (
    Fault("CA not there", "ca-missing", setting("ca-cert", '"~/pki/nowhere.pem"')),
    Fault("CA of noise", "ca-unrecognised", file("pki/root.pem", lambda _: bytes(range(256)))),
    Fault("CA empty", "ca-unrecognised", file("pki/root.pem", lambda _: b"")),
    Fault(
        "key for a CA",
        "ca-unrecognised",
        file("pki/root.pem", lambda scene: scene.world.revoked.key_pem()),
    ),
    Fault(
        "CA expired",
        "ca-expired",
        file("pki/old.pem", lambda scene: expired_root(scene.world)),
        setting("ca-cert", '["~/pki/root.pem", "~/pki/old.pem"]'),
        rank="warning",
    ),
    Fault("no roots at all", "roots-empty", setting("ca-cert", None)),
    Fault(
        "roots of an environment that names none",
        "roots-empty",
        setting("ca-cert", None),
        _OF_ENVIRONMENT,
    ),
    Fault(
        "roots of an environment that names no file",
        "variable-broken",
        setting("ca-cert", None),
        _OF_ENVIRONMENT,
        variable("SSL_CERT_FILE", "nowhere.pem"),
    ),
    Fault(
        "roots of an environment that has none",
        "roots-empty",
        setting("ca-cert", None),
        _OF_ENVIRONMENT,
        file("empty.pem", lambda _: b"# none\n"),
        variable("SSL_CERT_FILE", lambda scene: str(scene.sandbox.home / "empty.pem")),
    ),
)

ENVIRONMENT = (
    Fault(
        "another CA in the environment",
        "variable-replaced",
        file("other.pem", lambda scene: scene.world.stranger.pem),
        variable("SSL_CERT_FILE", lambda scene: str(scene.sandbox.home / "other.pem")),
        rank="note",
    ),
    Fault(
        "requests' CA in the environment",
        "variable-replaced",
        file("other.pem", lambda scene: scene.world.stranger.pem),
        variable("REQUESTS_CA_BUNDLE", lambda scene: str(scene.sandbox.home / "other.pem")),
        rank="note",
    ),
    Fault("switched off", "disabled", variable("MTLS_RUN_DISABLE", "1"), rank="warning"),
    Fault(
        "handoff that there is none of",
        "config-invalid",
        variable("MTLS_RUN_HANDOFF", "carrier-pigeon"),
    ),
)

TOOLS = (
    Fault(
        "shims that PATH does not name",
        "tool-bypassed",
        lambda scene: scene.sandbox.run("shims", "install"),
        rank="note",
    ),
    Fault("shims behind the tools", "tool-bypassed", _shims_last, rank="note"),
    Fault(
        "uv that does not start",
        "tool-failed",
        tools(),
        lambda scene: scene.sandbox.write(scene.sandbox.bin / "uv", "#!/bin/sh\nexit 3\n", 0o755),
    ),
    Fault("no tool", "tool-missing", tools()),
    Fault("uv before client certificates", "tool-too-old", tools(uv="0.2.10")),
    Fault(
        "uv before P-521",
        "tool-too-old",
        tools(uv="0.10.12"),
        identity(lambda world: world.client_issuer.issue("alice", key="p521")),
    ),
)

MACHINE = (*CONFIGURATION, *TRUST, *ENVIRONMENT, *TOOLS)
HEALTHY_MACHINE = (
    Healthy("only uv", tools(uv="0.13.9")),
    Healthy("only pip", tools(pip="26.3")),
)
