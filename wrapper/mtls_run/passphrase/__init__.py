"""Get passphrases: from the sources that a profile may name, to unlock its key.

A new source is a type in `sources`, its reading in `config.schema`, and its fetching in `fetch`.
"""
