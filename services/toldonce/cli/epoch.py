"""`toldonce epoch`: let the log go on in a new stream, keep the old one elsewhere, drop it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import DATA, DataOption, JsonOption
from toldonce.cli.output import Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.runtime.log import Epochs
    from toldonce.runtime.nats_link import Link
    from toldonce.runtime.table import Table

CARRIED_S = 3_600.0
_USER = "operator"  # the user of NATS that may seal and drop; let in only while this is done

epoch = typer.Typer(
    help="Epochs of the log: list, roll, export, drop.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
NumberArgument = Annotated[int, typer.Argument(help="Which epoch.", show_default=False, min=1)]


@epoch.command("list")
def list_(*, data: DataOption = DATA, json: JsonOption = "") -> None:
    """Show which epochs there are and what became of each.

    Example: `toldonce epoch list`
    """

    async def show(_: "Link", table: "Table", __: int, ___: Out) -> "Epochs":
        from toldonce.runtime.rolling import epochs_of

        return (await epochs_of(table))[0]

    _do(data, json, show)


@epoch.command()
def roll(*, data: DataOption = DATA, json: JsonOption = "") -> None:
    """Let the log go on in a new stream: seal the old one, open the next, wait for all stories.

    Nothing can be appended for about four seconds; callers are told to try again and lose nothing.
    `ownership` brings the stories over while work goes on. A roll that was interrupted is finished
    by the next. With TOLDONCE_NATS set it works on those servers, as the user `operator`.

    Example: `toldonce epoch roll`
    """

    async def go_on(link: "Link", table: "Table", replicas: int, out: Out) -> "Epochs":
        from toldonce.runtime import rolling

        await rolling.roll(link, table, replicas=replicas, say=out.say)
        out.say("stories are being carried")
        return await rolling.carried(table, out.say, wait_s=CARRIED_S)

    _do(data, json, go_on)


@epoch.command()
def export(
    number: NumberArgument,
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    *,
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Write every message of a sealed epoch into a file, one JSON object a line.

    What customers said stays sealed in it; it can be read as long as their keys are kept.

    Example: `toldonce epoch export 1 stories-1.jsonl`
    """

    async def write(link: "Link", table: "Table", _: int, out: Out) -> "Epochs":
        from toldonce.runtime import rolling

        epochs, _ = await rolling.epochs_of(table)
        with file.open("xb") as into:
            count = await rolling.export(link, epochs, number, into)
        out.say(f"wrote {count} messages to {file}")
        return epochs

    if file.exists():
        raise Invalid("file", f"{file} is there already; nothing is overwritten")
    _do(data, json, write)


@epoch.command()
def drop(
    number: NumberArgument,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Yes, destroy it.")] = False,
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Destroy a sealed epoch whose stories were all carried. It cannot be undone.

    Histories then begin where their story was carried, and a contact made before that is refused:
    whether it is a repeat could not be told. Export it first.

    Example: `toldonce epoch drop 1 --yes`
    """

    async def destroy(link: "Link", table: "Table", _: int, out: Out) -> "Epochs":
        from toldonce.runtime import rolling

        epochs = await rolling.drop(link, table, number)
        out.say(f"epoch {number} is gone")
        return epochs

    if not yes:
        raise Invalid(
            "--yes", f"dropping epoch {number} cannot be undone; say --yes if you mean it"
        )
    _do(data, json, destroy)


type _Work = Callable[["Link", "Table", int, Out], Awaitable["Epochs"]]


def _do(data: Path, json: str, work: _Work) -> None:
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging
    from toldonce.runtime.settings import Settings, read, refuse_unknown

    set_up_logging(level="warning")
    out = Out(json)
    refuse_unknown(os.environ, (Settings,))
    settings = read(Settings)

    async def on_servers() -> "Epochs":
        async with _servers(data, settings) as (link, table, replicas):
            return await work(link, table, replicas, out)

    epochs = run(on_servers())
    for one in epochs.all:
        out.say(f"epoch {one.number}: {_fate(one, epochs)}")
    out.emit({"opening": epochs.opening, "epochs": [_facts(one) for one in epochs.all]})


@asynccontextmanager
async def _servers(data: Path, settings: Any) -> "AsyncIterator[tuple[Link, Table, int]]":  # noqa: ANN401 - settings are imported late
    from contextlib import AsyncExitStack

    from toldonce.runtime import names
    from toldonce.runtime.embedded import log_of
    from toldonce.runtime.nats_link import Link
    from toldonce.runtime.table import open_table

    async with AsyncExitStack() as stack:
        if settings.nats:
            urls, replicas, options = (
                settings.nats.split(","),
                settings.replicas,
                settings.nats_options(),
            )
        else:
            urls, replicas, options = [await stack.enter_async_context(log_of(data))], 1, {}
        link = await Link.connect(urls, name=_USER, options=options)
        stack.push_async_callback(link.close)
        yield link, await open_table(link, names.LEASES, replicas=replicas), replicas


def _fate(one: Any, epochs: "Epochs") -> str:  # noqa: ANN401 - an epoch, imported late
    if one.dropped:
        return "dropped"
    if one.last is not None:
        return f"sealed, sequences {one.first} to {one.last}"
    if epochs.opening and one is epochs.all[-1]:
        return "made, not open yet: run `toldonce epoch roll` again"
    return f"takes appends, from {one.first}" + (
        "" if one.carried else "; stories are being carried"
    )


def _facts(one: Any) -> dict[str, Any]:  # noqa: ANN401 - an epoch, imported late
    from dataclasses import asdict

    return asdict(one)
