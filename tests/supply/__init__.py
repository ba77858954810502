"""What mtls-run is made of and made from: the locks, the bill of materials, wheel and sdist."""
