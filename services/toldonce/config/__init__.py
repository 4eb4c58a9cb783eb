"""Configuration: one checked document a tenant."""
