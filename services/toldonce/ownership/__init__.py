"""Ownership: the only writer of stories."""
