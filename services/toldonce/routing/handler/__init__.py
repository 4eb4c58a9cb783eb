"""What runs around the engine and what sessions know, without a wire: ports, shell, heads."""
