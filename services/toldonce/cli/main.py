"""The `toldonce` command: builds the typer app out of the commands beside this file."""

from importlib.metadata import version
from typing import Annotated

import typer

app = typer.Typer(
    help="A customer tells the story once; each contact reaches the best person once.",
    no_args_is_help=True,
    add_completion=False,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"toldonce {version('toldonce')}")
        raise typer.Exit


@app.callback()
def _toldonce(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version."),
    ] = False,
) -> None:
    pass


@app.command()
def demo() -> None:
    """Show contacts of five channels reach the right agents exactly once."""
    typer.echo(
        "The demo cannot run yet: the tools and the rules of the house stand, "
        "the log, the services and the simulated agents do not. Run `make test` to see what does."
    )
    raise typer.Exit(code=1)


def main() -> None:
    """Run the command the user typed; the process ends with its exit code."""
    app()
