"""`toldonce demo`: show contacts of five channels reach the right agents exactly once."""

import typer


def demo() -> None:
    """Show contacts of five channels reach the right agents exactly once."""
    typer.echo("soon")
