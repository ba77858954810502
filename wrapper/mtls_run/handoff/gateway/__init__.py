"""The gateway: a proxy of this run, which keeps the key and shows the identity to its own hosts."""
