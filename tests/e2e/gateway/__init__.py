"""The gateway's engine, before servers that answer as a test says, and before a real nginx."""
