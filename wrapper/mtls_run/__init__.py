"""mtls-run: pip and uv behind a package index that asks for a client certificate."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mtls_run import cache as cache
    from mtls_run import handoff as handoff
    from mtls_run import identity as identity
    from mtls_run import output as output

__version__ = "0.2.0"


def import_on_use(package: str) -> Callable[[str], object]:
    """Return the `__getattr__` of a package that imports its modules on their first use (PEP 562).

    A run pays for the modules that it uses. A package lists those that wait in its `__init__`.
    """

    def load(name: str) -> object:
        module = f"{package}.{name}"
        try:
            __import__(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            raise AttributeError(f"{package} has no {name}") from None
        return sys.modules[module]

    return load


if not TYPE_CHECKING:
    __getattr__ = import_on_use(__name__)
