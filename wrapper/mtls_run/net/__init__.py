"""Connections to a host: name, TCP, proxy, TLS and one HTTP request, each within a deadline.

`doctor` uses this package, and so does the gateway. It knows nothing of profiles and tools.
"""
