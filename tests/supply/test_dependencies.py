"""What the package imports is what it declares, and the other way round."""

from __future__ import annotations

import ast
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from tests.supply import lock
from tests.supply.test_locks import ASKED, EXTRAS, lowest_admitted

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = lock.REPOSITORY / "wrapper" / "mtls_run"
IMPORTED_AS = {
    "pyopenssl": "OpenSSL",
    "cffi": "_cffi_backend",  # what cffi's own modules import
    "python-pkcs11": "pkcs11",
    "service-identity": "service_identity",
}
# Named in the code's types alone, where no running program asks for it.
TYPES_ALONE = {"typing_extensions"}


def standard_library() -> frozenset[str]:
    """Return the names of the standard library, of newer Pythons and other systems too."""
    if sys.version_info >= (3, 10):
        found = sys.stdlib_module_names
    else:
        folder = Path(sysconfig.get_path("stdlib"))
        files = [*folder.iterdir(), *(folder / "lib-dynload").iterdir()]
        found = frozenset({path.name.partition(".")[0] for path in files})
        found |= set(sys.builtin_module_names) | {"msvcrt", "winreg", "_winapi", "nt"}
    return found | {"tomllib", "_sha2", "_sha256"}


def imports(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each top-level name that is imported, and whether for the types alone."""
    tree = ast.parse(text)
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node in typing
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0], node in typing


def test_declared_is_imported_and_imported_is_declared() -> None:
    """No dependency is there for nothing, and no third party is imported that is not declared."""
    ours = standard_library() | {"mtls_run"}
    files = PACKAGE.rglob("*.py")
    found = {
        one for file in files for one in imports(file.read_text("utf-8")) if one[0] not in ours
    }
    running = {name for name, typing in found if not typing}
    asked = ASKED["run"] + EXTRAS["gateway"] + EXTRAS["pkcs11"]
    declared = {IMPORTED_AS.get(name, name) for name in lowest_admitted(asked)}
    assert running == declared
    assert {name for name, _ in found} - declared <= TYPES_ALONE


def test_the_build_is_locked_as_it_is_declared() -> None:
    """What [build-system] asks for stands among what the tests need, and thus in the lock."""
    text = (lock.REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    (requires,) = [line for line in text.splitlines() if line.startswith("requires = ")]
    (wanted,) = ast.literal_eval(requires.partition("=")[2].partition("#")[0].strip())
    assert wanted in ASKED["test"]
