"""Packages whose modules are imported on their first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import mtls_run.tools


def test_a_module_is_imported_when_it_is_used() -> None:
    """Its package does not import it, and its first use does."""
    code = "import sys, mtls_run.tools; before = 'mtls_run.tools.options' in sys.modules; "
    code += "print(before, mtls_run.tools.options.__name__)"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False mtls_run.tools.options\n"


def test_no_such_module() -> None:
    """A name that no module has is no attribute."""
    with pytest.raises(AttributeError, match=r"mtls_run\.tools has no absent"):
        _ = mtls_run.tools.absent  # type: ignore[attr-defined]
    assert not hasattr(mtls_run.tools, "__wrapped__")


def test_a_missing_dependency_is_named() -> None:
    """A module whose dependency is missing says so: it is not taken for absent itself."""
    code = "import sys, mtls_run.net; sys.modules['socksio'] = None; mtls_run.net.socks"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: import of socksio")
