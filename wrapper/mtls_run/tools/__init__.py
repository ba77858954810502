"""The tools: how to find pip, uv and others, and with which arguments and variables to run them.

To add a tool, write a module with a subclass of `base.Tool`, and add it to `registry`.
"""
