"""The pages of the documentation: what scripts make of them, and whether they hold together."""
