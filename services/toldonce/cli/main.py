"""The `toldonce` command: builds the typer app out of the commands beside this file."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from toldonce.cli.agent import agent
from toldonce.cli.apply import apply
from toldonce.cli.assign import assign
from toldonce.cli.callback import callback
from toldonce.cli.case import case
from toldonce.cli.channels import channels
from toldonce.cli.check import check
from toldonce.cli.demo import demo
from toldonce.cli.drain import drain
from toldonce.cli.epoch import epoch
from toldonce.cli.explain import explain as explain_decision
from toldonce.cli.export_customer import export_customer
from toldonce.cli.forget import forget
from toldonce.cli.move import move
from toldonce.cli.options import arguments
from toldonce.cli.output import complain, explain
from toldonce.cli.pick import pick
from toldonce.cli.prioritise import prioritise
from toldonce.cli.quarantine import quarantine
from toldonce.cli.replay import replay
from toldonce.cli.rotate_keys import rotate_keys
from toldonce.cli.serve import serve
from toldonce.cli.simulate import simulate
from toldonce.cli.sla import sla
from toldonce.cli.status import status
from toldonce.cli.submit import submit
from toldonce.cli.train import train
from toldonce.cli.tune import tune
from toldonce.cli.up import up

INTERRUPTED = 130

app = typer.Typer(
    help="A customer tells the story once; each contact reaches the best person once.",
    epilog="Begin with `toldonce demo`, then `toldonce up` and, beside it, `toldonce agent anouk`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_EVERYDAY = (demo, up, submit, agent, case, explain_decision, status, channels, check, apply)
_STEERING = (pick, assign, move, prioritise, callback, drain)
_SELDOM = (replay, simulate, tune, train, forget, export_customer, rotate_keys, quarantine, serve)
for _command in (*_EVERYDAY, *_STEERING, *_SELDOM):
    app.command()(_command)
app.add_typer(sla, name="sla")
app.add_typer(epoch, name="epoch")


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

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


def entry() -> None:
    """Begin the program: the compiled twin of the hot modules is used where there is one."""
    from toldonce.runtime import compiled

    compiled.prefer()
    main()


def main(given: Sequence[str] | None = None) -> None:
    """Run the command the user typed; the process ends with its exit code."""
    words = arguments(sys.argv[1:] if given is None else given)
    try:
        app(words)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as no:  # noqa: BLE001 - the last net: people get sentences, not tracebacks
        sentence, code = explain(no)
        complain(sentence)
        sys.exit(code)
