"""Passphrases: the sources a profile may name (`sources`), and opening a key with one (`opening`).

A new source is a type in `sources`, its reading in `schema.read_passphrase`, and its fetching here.
Nothing is imported at this level: most runs need no passphrase.
"""
