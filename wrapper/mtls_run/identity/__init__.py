"""The identity: read a client certificate and its key, check them, and unlock the key.

A new file format goes into `material`, and a new check into `checks`.
"""
