"""`toldonce up`: the whole system in one process, with servers of its own."""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toldonce.cli.options import ADDRESS_FILE, DATA, TENANT, DataOption
from toldonce.cli.output import Out

if TYPE_CHECKING:
    from toldonce.cli.house import House

PORT = 7700
METRICS_PORT = 7790

PortOption = Annotated[
    int, typer.Option("--port", envvar="TOLDONCE_PORT", help="gRPC port; 0 picks a free one.")
]
MetricsOption = Annotated[
    int,
    typer.Option(
        "--metrics-port",
        envvar="TOLDONCE_METRICS_PORT",
        help="Port of metrics and health; 0 picks a free one.",
    ),
]


def up(
    *,
    data: DataOption = DATA,
    port: PortOption = PORT,
    metrics_port: MetricsOption = METRICS_PORT,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="A configuration to begin with."),
    ] = None,
    topic_model: Annotated[
        Path | None,
        typer.Option(
            "--topic-model",
            envvar="TOLDONCE_TOPIC_MODEL",
            metavar="FILE",
            help="What `toldonce train` wrote: finds topics where no words do.",
        ),
    ] = None,
    timers: Annotated[
        Literal["redis", "jetstream"],
        typer.Option("--timers", envvar="TOLDONCE_TIMERS", help="Where timers wait."),
    ] = "redis",
) -> None:
    """Run everything on this machine until Ctrl-C; all data stays in the data folder.

    Example: `toldonce up --port 0`
    """
    from toldonce.cli.check import read_document
    from toldonce.cli.house import house
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging

    set_up_logging(level=os.environ.get("TOLDONCE_LOG_LEVEL") or "warning")
    document = read_document(config) if config is not None else None
    running = house(
        data,
        port=port,
        metrics_port=metrics_port,
        document=document,
        topic_model=topic_model,
        timers=timers,
    )
    run(_stay(data, running))


async def _stay(data: Path, opening: AbstractAsyncContextManager["House"]) -> None:
    from toldonce.kernel.principal import Principal, Role
    from toldonce.runtime.document import demo_text

    out = Out()
    out.say("Starting: the log, the store, the services ...")
    note = data / ADDRESS_FILE
    async with opening as running:
        note.write_text(running.address + "\n", encoding="utf-8")
        try:
            stored = await running.config.get(Principal(TENANT, Role.ADMIN, "admin"))
            agent = await _who_answers(running)
            _greet(out, running, data, agent, hurried=stored.yaml == demo_text())
            await running.app.wait()
        finally:
            note.unlink(missing_ok=True)
            out.say("Stopping ...")
    out.say(f"Stopped. Everything is kept in {data}; `toldonce up` goes on from there.")


async def _who_answers(running: "House") -> str:
    """Name the first person, by name, of the configuration in force; "" where there is none."""
    from toldonce.kernel.config.types import AgentKind
    from toldonce.kernel.errors import Missing, Unavailable

    try:
        config = await running.ports.config.of(TENANT)
    except (Missing, Unavailable):
        return ""
    people = (name for name, one in config.agents.items() if one.kind is AgentKind.HUMAN)
    return min(people, default="")


def _greet(out: Out, running: "House", data: Path, agent: str, *, hurried: bool) -> None:
    where = "" if data == DATA else f" --data {data}"
    desk = f"\n  toldonce agent {agent}{where}          # be the agent who answers" if agent else ""
    slower = f"""
The demonstration's company is in force: an offer lasts seconds, and what nobody took in ten of them
has climbed to the team leads. For somebody at a keyboard:
  toldonce apply examples/desk.yaml{where}"""
    out.say(
        f"""
ToldOnce is running.
  gRPC                {running.address}   (plain text, this machine only)
  metrics and health  http://{running.metrics_address}/metrics
  data                {data}
  tokens              {data / "secrets" / "tokens"}/<role>.jwt   (gateway, agent, supervisor, ...)

Try, in another terminal:
  toldonce submit --text "Where is my parcel?" --email joan@example.org{where}{desk}
  toldonce status{where}{slower if hurried else ""}
Ctrl-C stops it."""
    )
