"""The tests, by the question they answer."""
