"""The `toldonce` command: one file per command."""
