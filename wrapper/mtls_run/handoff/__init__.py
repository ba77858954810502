"""How an unlocked identity reaches the tool: `memfd` and exec, or `supervise` with a file.

Nothing is imported at this level: an identity that is handed on by its own path needs neither.
"""
