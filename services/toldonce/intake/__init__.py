"""Intake: contacts come in, are recognised, and are handed to ownership."""
