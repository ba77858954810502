"""What the matrix is made of: the axes, what does not go together, and the cells that follow.

Nothing is run here. Four tables: pip, uv, programs that call one of them, and identities that must
be refused.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tests.e2e import toolbox
from tests.e2e.matrix import pythons
from tests.e2e.matrix.pairwise import cover

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Table = Literal["pip", "uv", "program", "refused"]

# pip 25.0 hands flags on to build isolation, and lacks truststore there, which 25.0.1 mended.
PIPS = tuple(sorted({*toolbox.PIP, "25.0"}, key=lambda text: [int(n) for n in text.split(".")]))
UVS = toolbox.UV

# The newest, and the last for Python 3.9: added to those that `toolbox.program` makes ready.
toolbox.PROGRAMS.update(
    {
        "pip-tools": ("pip-tools==7.6.2", "pip-tools==7.6.2"),
        "build": ("build==1.6.1", "build==1.6.1"),
        "virtualenv": ("virtualenv==21.15.8", "virtualenv==21.15.8"),
    }
)
PROGRAMS = {
    "pip-compile": "pip-tools",
    "pip-sync": "pip-tools",
    "pipx": "pipx",
    "build": "build",
    "tox": "tox",
    "tox-uv": "tox-uv",
    "virtualenv": "virtualenv",
}
"""The programs of the matrix, and the environments that have them."""

FORMS = ("pem", "p12", "separate")
TOKENS = ("token-rsa", "token-ec", "tpm")
SOURCES = ("keyring", "file", "env", "command")
HANDOFFS = ("memfd", "supervise", "gateway")
PROXIES = ("none", "http", "https", "socks5h")
ROOTS = ("system", "public", "none")

PIP_TASKS = ("wheel", "sdist", "isolated", "requirements", "python", "download")
UV_TASKS = (
    "wheel",
    "sdist",
    "requirements",
    "compile",
    "lock",
    "sync",
    "run",
    "isolated",
    "uvx",
    "tool-install",
    "publish",
)

FAULTS = (
    "wrong-passphrase",
    "no-passphrase",
    "expired",
    "not-yet-valid",
    "other-key",
    "server-usage",
    "version-1",
    "no-key",
)
"""What is wrong with an identity that mtls-run must not hand on."""

# Which uv has a task, where not every one does: `uv tool install` came in the midst of 0.2.
UV_SINCE = {"tool-install": (0, 3), "publish": (0, 4, 20)}
# `pip --python` came with 22.3.
PIP_SINCE = {"python": (22, 3)}
# An older uv ignores a SOCKS proxy, and so does the gateway for it.
UV_SOCKS_SINCE = (0, 4, 14)


@dataclass(frozen=True)
class Cell:
    """One value of each axis."""

    table: Table
    values: Mapping[str, str] = field(hash=False)

    def __getitem__(self, axis: str) -> str:
        return self.values[axis]

    def __str__(self) -> str:
        words = dict(self.values)
        shown = [words.pop("tool"), words.pop("task", ""), words.pop("fault", "")]
        shown += [words.pop("identity"), words.pop("handoff")]
        shown += [f"{name}-{value}" for name, value in words.items()]
        return ",".join(word for word in shown if word)

    @property
    def form(self) -> str:
        """Where the identity is: one of FORMS or TOKENS, or `plain`."""
        return self["identity"].partition("+")[0]

    @property
    def source(self) -> str:
        """Where the passphrase is: one of SOURCES, or nothing for a plain key."""
        return "env" if self.table == "refused" else self["identity"].partition("+")[2]

    @property
    def tool(self) -> toolbox.Tool | None:
        """The version of pip or uv, or None for another program."""
        kind, _, version = self["tool"].partition("-")
        if kind == "pip" and version in PIPS:
            return toolbox.Tool("pip", version)
        return toolbox.Tool("uv", version) if kind == "uv" else None


def allows(values: Mapping[str, str]) -> bool:
    """Tell of two axes' values whether they go together; a missing one is no hindrance."""
    tool, task = values.get("tool", ""), values.get("task")
    kind, _, version = tool.partition("-")
    if task is not None and kind in ("pip", "uv") and version[:1].isdigit():
        since = (PIP_SINCE if kind == "pip" else UV_SINCE).get(task, (0,))
        if _numbers(version) < since:
            return False
    if "python" in values and version in toolbox.RUNS_ON and kind == "pip":
        oldest, newest = toolbox.RUNS_ON[version]
        if not oldest <= _numbers(values["python"]) <= newest:
            return False
    # The user's own proxy is pip's and uv's matter where no gateway takes its place.
    behind = values.get("proxy", "none") != "none"
    if values.get("handoff", "gateway") != "gateway" and (behind or values.get("form") in TOKENS):
        return False
    if kind == "uv" and values.get("proxy") == "socks5h" and _numbers(version) < UV_SOCKS_SINCE:
        return False
    # In PKCS#12 the key comes with its certificate.
    if values.get("fault") in ("other-key", "no-key") and values.get("form") == "p12":
        return False
    # The software TPM is behind a session bus of its own, which has no keyring.
    if values.get("form") == "tpm" and values.get("source") == "keyring":
        return False
    if "form" in values and "source" in values:
        return (values["form"] == "plain") == (values["source"] == "none")
    return True


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def axes(found: Sequence[str]) -> dict[Table, dict[str, tuple[str, ...]]]:
    """Return the tables' axes where these Pythons are found.

    `runner` is the Python that mtls-run runs on; `python` the one that the tool installs for.
    """
    every = tuple(found)
    pips = tuple(f"pip-{version}" for version in PIPS)
    uvs = tuple(f"uv-{version}" for version in UVS)
    common = {
        "source": (*SOURCES, "none"),
        "form": (*FORMS, *TOKENS, "plain"),
        "handoff": HANDOFFS,
        "proxy": PROXIES,
        "roots": ROOTS,
        "runner": every,
    }
    return {
        "pip": {"tool": pips, "task": PIP_TASKS, "python": every, **common},
        "uv": {"tool": uvs, "task": UV_TASKS, "python": every, **common},
        "program": {"tool": tuple(PROGRAMS), **common},
        # mtls-run refuses before the tool starts: the oldest and the newest of each will do.
        "refused": {
            "fault": FAULTS,
            "tool": (pips[0], pips[-1], uvs[0], uvs[-1]),
            "form": FORMS,
            "handoff": HANDOFFS,
            "runner": every,
        },
    }


@functools.cache
def cells() -> tuple[Cell, ...]:
    """Return every cell of the matrix on this machine."""
    found: list[Cell] = []
    for table, names in axes(tuple(pythons.found())).items():
        for values in cover(names, allows):
            form, source = values.pop("form", None), values.pop("source", "none")
            if form is not None:
                values["identity"] = form if source == "none" else f"{form}+{source}"
            found.append(Cell(table, values))
    return tuple(found)
