"""Identities that are renewed: when, by which command, and under which lock.

A command prints an identity (`printed`), or renews its files (`files`). `schedule` says when either
is due, and `turn` lets one run renew for all.
"""
