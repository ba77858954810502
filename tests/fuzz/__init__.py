"""Inputs that nobody writes: a few in the default tier, many more in the slow one.

`mutate` has the strategies, `seeds` what they start from, `test_targets` what is given them.
"""
