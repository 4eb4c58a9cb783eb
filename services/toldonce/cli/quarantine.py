"""`toldonce quarantine`: list the stories that were found broken, let one go."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import DATA, DataOption, JsonOption
from toldonce.cli.output import Out

if TYPE_CHECKING:
    from toldonce.ownership.handler.quarantine import Held
    from toldonce.runtime.settings import Settings
    from toldonce.runtime.table import Table

_USER = "ownership"  # the user of NATS that writes LEASES for stories; its inboxes bear its name


def quarantine(
    *,
    lift: Annotated[
        str, typer.Option("--lift", help="Customer id of a story to let go.", show_default=False)
    ] = "",
    tenant: Annotated[str, typer.Option("--tenant", help="Whose story it is.")] = "demo",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """List the stories that were found broken and are held, or let one go once it was looked at.

    A story that is let go is read and written again within ten seconds; what cannot be read of it
    stays refused. With TOLDONCE_NATS set it works on those servers.

    Example: `toldonce quarantine`
    """
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging
    from toldonce.runtime.settings import Settings, read, refuse_unknown

    set_up_logging(level="warning")
    out = Out(json)
    refuse_unknown(os.environ, (Settings,))
    found = run(_work(data, read(Settings), tenant, lift))
    if lift:
        out.say(f"The story of {lift} is let go.")
    for one in found:
        out.say(f"{one.tenant}  {one.customer}  at sequence {one.sequence}: {one.reason}")
    if not found:
        out.say("No story is held.")
    out.emit({"lifted": lift, "held": [asdict(one) for one in found]})


async def _work(data: Path, settings: "Settings", tenant: str, lifted: str) -> "tuple[Held, ...]":
    from toldonce.ownership.handler.quarantine import held, lift

    async with _leases(data, settings) as table:
        if lifted:
            await lift(table, tenant, lifted)
        return await held(table)


@asynccontextmanager
async def _leases(data: Path, settings: "Settings") -> "AsyncIterator[Table]":
    from contextlib import AsyncExitStack

    from toldonce.runtime import names
    from toldonce.runtime.embedded import log_of
    from toldonce.runtime.nats_link import Link
    from toldonce.runtime.table import open_table

    async with AsyncExitStack() as stack:
        replicas, options = 1, dict[str, Any]()
        if settings.nats:
            urls, replicas = settings.nats.split(","), settings.replicas
            options = settings.nats_options()
        else:
            urls = [await stack.enter_async_context(log_of(data))]
        link = await Link.connect(urls, name=_USER, options=options)
        stack.push_async_callback(link.close)
        yield await open_table(link, names.LEASES, replicas=replicas)
