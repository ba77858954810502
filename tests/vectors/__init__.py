"""Identities and CA files, and what is expected of each: see index.toml.

`files` names the files of one vector; the second is the key's. `pip` and `uv` are "works" or the
finding's code. A file of CA certificates (`ca = true`) has one verdict, `ca`. `python -m
tests.vectors.make` writes the files that are missing, and the index.
"""
