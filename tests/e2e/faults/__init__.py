"""The catalogue of faults: each made real, with the finding that names its cause.

`servers` has the nginx that is wrong in many ways, `sockets` what nginx cannot be made to do,
`scene` the sandbox that a fault happens in, `abroad`, `identities` and `surroundings` the table
itself.
"""

from __future__ import annotations

from tests.e2e.faults.abroad import ABROAD, HEALTHY_ABROAD
from tests.e2e.faults.identities import HEALTHY_IDENTITIES, IDENTITIES
from tests.e2e.faults.surroundings import HEALTHY_SURROUNDINGS, SURROUNDINGS

FAULTS = (*ABROAD, *IDENTITIES, *SURROUNDINGS)
HEALTHY = (*HEALTHY_ABROAD, *HEALTHY_IDENTITIES, *HEALTHY_SURROUNDINGS)
