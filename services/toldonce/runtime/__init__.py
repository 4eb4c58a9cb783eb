"""The only home of NATS, Redis, structlog and prometheus; adapters behind small ports."""
