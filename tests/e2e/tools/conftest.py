"""The scene of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.tools import uploads
from tests.e2e.tools.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.bench import Bench
    from tests.e2e.server import Server
    from tests.sandbox import Canary


@pytest.fixture
def scene(bench: Bench, git_http: Server, canary: Canary) -> Iterator[Scene]:
    """Return a home with a locked identity and settings of the user's own.

    The index receives uploads, and serves git.
    """
    with uploads.receiving(git_http.root) as received:
        found = Scene(bench, canary, received)
        found.profile()
        found.project.mkdir()
        found.write_own_files()
        yield found
