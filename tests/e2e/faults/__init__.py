"""The catalogue of faults, each with the finding that names its cause.

`servers` has the nginx with many faults, `sockets` the listeners for faults that nginx cannot
produce, and `scene` the sandbox. `network`, `identities` and `machine` are the catalogue itself.
"""

from __future__ import annotations

from tests.e2e.faults.identities import HEALTHY_IDENTITIES, IDENTITIES
from tests.e2e.faults.machine import HEALTHY_MACHINE, MACHINE
from tests.e2e.faults.network import HEALTHY_NETWORK, NETWORK

FAULTS = (*NETWORK, *IDENTITIES, *MACHINE)
HEALTHY = (*HEALTHY_NETWORK, *HEALTHY_IDENTITIES, *HEALTHY_MACHINE)
