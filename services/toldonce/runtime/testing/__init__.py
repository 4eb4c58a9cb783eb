"""Stand-ins for the servers, in memory, that tell the truth: they pass the real ones' contracts."""
