"""What mtls-run is made of: the locks, the dependencies, wheel and sdist."""
