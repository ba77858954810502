"""Configuration: the user's and the system's files, project files, pip's settings, the selection.

To add a key, add it to `schema`, and to `profile.Profile` or `layers.Configuration`.
"""
