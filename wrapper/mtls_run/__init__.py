"""mtls-run: pip and uv behind a package index that asks for a client certificate."""

__version__ = "0.2.0"
