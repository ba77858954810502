"""The matrix: tools, tasks, identities, handoffs, roots and Pythons, in all pairs.

`python -m tests.e2e.matrix --write REPORT.xml` puts a run's results into docs/compatibility.md.
"""
