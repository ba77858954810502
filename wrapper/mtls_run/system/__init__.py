"""Helpers for the operating system: files, directories, ownership, memory and digests.

At run time these modules import `errors` alone. Add a module if several packages need it.
"""
