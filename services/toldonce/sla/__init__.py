"""SLA timers: planned from facts, kept in Redis, told to ownership."""
