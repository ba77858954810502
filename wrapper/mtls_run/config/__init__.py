"""Read configuration files and select the profile that applies.

Add a profile key in `schema` and `profile`, a layer in `layers`, a source in `selection.SOURCES`.
"""
