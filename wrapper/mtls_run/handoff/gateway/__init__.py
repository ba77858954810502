"""The gateway: a proxy on loopback that holds the identities, so that the tool never has a key.

`process.start` runs it for one tool. `server` has the listener and the requests, `upstream` the
connections to the servers, `messages` the rules for HTTP, `scope` the rules for hosts and paths.
"""
