"""The variables that decide how a tool is started: a cached launch rests on them."""

from __future__ import annotations

from mtls_run.cache.dependencies import VARIABLES, VariablesRead
from mtls_run.tools.registry import TOOLS

# The program that is started may start any tool, so what each of them reads counts.
VARIABLES_READ = VariablesRead(
    names=(*VARIABLES, *(name for tool in TOOLS for name in tool.VARIABLES_READ)),
    prefixes=tuple(prefix for tool in TOOLS for prefix in tool.PREFIXES_READ),
)
