"""Routing: the engine that matches work to agents, and the agents' sessions."""
