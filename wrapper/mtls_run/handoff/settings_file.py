"""A tool's settings file that is made for one run, and delivered beside the identity.

Where this process becomes the tool, the file is in memory. Where it supervises the tool, or memory
is refused, it is a private file, removed when the tool ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mtls_run.errors import HandoffError
from mtls_run.handoff.private_file import Supervised
from mtls_run.system import anonymous_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mtls_run.handoff.base import Delivery


def deliver(content: bytes, delivery: Delivery, environ: Mapping[str, str]) -> tuple[str, Delivery]:
    """Return the path of a file with `content`, and the delivery of it and of the identity.

    Raises HandoffError where there is no place for it.
    """
    if not delivery.needs_parent:
        try:
            return anonymous_file.hold(content, "mtls-run-settings"), delivery
        except HandoffError:
            pass  # a private file needs no such system call
    found = Supervised(delivery.name, content, environ, beside=delivery)
    return found.path, found
