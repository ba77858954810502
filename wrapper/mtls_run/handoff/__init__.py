"""Handoffs: the ways in which a tool receives the unlocked identity.

To add a handoff, write a module like `memfd`. Then add it to `registry.HANDOFFS`, and its name to
`cli.HANDOFFS`.
"""
