"""A company for the demo: customers who write, agents who answer, and a judge who reads the log."""
