"""Tests of mtls-run: unit, cli (before a fake tool) and e2e (real servers and tools)."""
