"""The parts of `mtls-run demo`: a throwaway authority, an index that uses it, and the steps."""
