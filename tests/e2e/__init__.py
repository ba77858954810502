"""End-to-end tests: real nginx, real pip and uv, a real Secret Service."""
