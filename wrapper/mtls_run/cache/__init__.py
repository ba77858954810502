"""The user's private cache: launches, results of checks, and what each of them depends on.

To cache another result, call `results.store` and `results.find` with the bytes that were checked.
"""
