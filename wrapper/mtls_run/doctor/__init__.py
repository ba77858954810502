"""`mtls-run doctor`: find what is wrong between this machine and the index, and how to fix it.

`machine` reports on profile, identity, roots, variables and tools, by the functions of a run.
`indexes` chooses the URLs, and `probe` connects to each and records a `transcript`. `conclusions`
turns all that into findings, and `report` prints them. `diagnosis` calls these in turn.

An error that stops a run carries the code of its finding, so the checks of a run are not repeated
here. To add a finding: add its code to `findings.CATALOGUE` and to docs/findings.md, then raise it
or conclude it.
"""
