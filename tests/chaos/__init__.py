"""Everything at once: real processes and servers, faults drawn from a seed, and the reckoning.

`python -m tests.chaos --help`; `make chaos` and `make soak` call it. Recordmill's own code runs
in the workers and schedulers as it does in production; this package breaks what is around them.
"""
