"""The benchmark: what mtls-run costs over the bare tool, beside what others do instead.

`python -m tests.bench` reports ratios taken in one run; nothing here passes or fails by a time.
"""
