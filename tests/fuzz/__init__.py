"""Inputs that nobody would write, by the hundred thousand: `python -m tests.fuzz --help`.

`mutate` makes an input out of a seed, `targets` has what each kind of input is given to, `worker`
runs many in a process of its own, `campaign` starts the workers and puts together what they found.
"""
