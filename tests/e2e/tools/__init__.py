"""twine, poetry, pdm, hatch and flit against an index that asks for a certificate."""
