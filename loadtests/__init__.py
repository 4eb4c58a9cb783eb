"""Measurements of speed, each beside the bare limit of the same machine: `python -m loadtests`."""
