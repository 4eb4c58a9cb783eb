"""`toldonce status`: queues, agents, health and versions of a running system."""

from typing import TYPE_CHECKING, Any

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
    address_of,
    connect,
)
from toldonce.cli.output import FAILED, Out, ago
from toldonce.kernel.errors import Missing

if TYPE_CHECKING:
    from toldonce.client import Client


def status(
    *,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Say how a running system stands: health, queues, agents, versions.

    Example: `toldonce status`
    """
    from toldonce.runtime.app import run

    out = Out(json)

    async def look() -> dict[str, Any]:
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return await _look(client)

    found = run(look())
    found["address"] = address_of(address, data)
    _show(out, found)
    out.emit(found)
    if any(state != "SERVING" for state in found["health"].values()):
        raise typer.Exit(FAILED)


async def _look(client: "Client") -> dict[str, Any]:
    import asyncio
    from importlib.metadata import version

    from toldonce.client.desk import Desk

    desk = Desk(client)
    queues, health = await asyncio.gather(desk.queues(), desk.health())
    try:
        config = await desk.config()
        policy = config.policy_version
    except Missing:
        policy = ""
    return {
        "version": version("toldonce"),
        "policy_version": policy,
        "health": health,
        "waiting": sum(queue.waiting for queue in queues),
        "queues": [
            {
                "queue": queue.queue,
                "waiting": queue.waiting,
                "offered": queue.offered,
                "oldest_at": queue.oldest_at and queue.oldest_at.isoformat(),
                "oldest": ago(queue.oldest_at),
                "agents_free": queue.agents_free,
                "agents_available": queue.agents_available,
                "estimate_s": round(queue.estimate_s, 1),
            }
            for queue in queues
        ],
    }


def _show(out: Out, found: dict[str, Any]) -> None:
    from rich.table import Table

    out.say(
        f"ToldOnce at {found['address']}, client {found['version']}, "
        f"policy {found['policy_version'] or 'none yet: toldonce apply FILE'}"
    )
    out.say("  ".join(f"{name} {state}" for name, state in found["health"].items()))
    table = Table(box=None, header_style="bold")
    for title in ("queue", "waiting", "on offer", "oldest", "agents there", "free", "estimate"):
        table.add_column(title, justify="left" if title == "queue" else "right")
    for queue in found["queues"]:
        table.add_row(
            queue["queue"],
            str(queue["waiting"]),
            str(queue["offered"]),
            queue["oldest"],
            str(queue["agents_available"]),
            str(queue["agents_free"]),
            f"{queue['estimate_s']} s",
        )
    out.console.print(table)
