"""The routing engine: facts and time in, decisions out; no clock, no randomness, no I/O.

`engine.Engine` is the door, `types` the words. Everything else is how it is done.
"""
