"""What goes wrong on a machine: after each mishap no key is left, and the next run works."""
