"""Logs that released versions wrote; every later version folds them to the same heads."""
