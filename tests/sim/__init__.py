"""The deterministic simulation: the real services on virtual time, hostile servers, a checker.

`python -m tests.sim --help` says how to run it. `loop` is time, `net` what lies between processes
and servers, `house` the processes, `actors` and `operations` the people, `checks` what must hold.
"""
