"""Get passphrases: from the sources that a profile may name, to unlock its key.

A new source is a type in `sources`, its reading in `config.readers`, and its fetching in `fetch`.
"""
