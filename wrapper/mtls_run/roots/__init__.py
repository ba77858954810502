"""Trusted roots: resolve the roots of a profile, and write them as one bundle.

A new operating system's store goes into `stores`.
"""
