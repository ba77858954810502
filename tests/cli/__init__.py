"""The installed program, run before a fake tool."""
