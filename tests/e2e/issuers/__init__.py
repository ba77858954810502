"""Where identities come from in tests: a CA, and stand-ins for the services of companies."""
