"""`toldonce status`: queues, agents, health and versions of a running system."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
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
from toldonce.cli.output import FAILED, Out, ago, band
from toldonce.kernel.errors import Invalid, Missing

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
    found["keys"] = _keys(data)
    _show(out, found)
    out.emit(found)
    if any(state != "SERVING" for state in found["health"].values()):
        raise typer.Exit(FAILED)


async def _look(client: "Client") -> dict[str, Any]:
    import asyncio
    from importlib.metadata import version

    from toldonce.client.desk import Desk

    desk = Desk(client)
    (queues, success), health = await asyncio.gather(desk.standing(), desk.health())
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
                "scheduled": queue.scheduled,
                "oldest_at": queue.oldest_at and queue.oldest_at.isoformat(),
                "oldest": ago(queue.oldest_at),
                "agents_free": queue.agents_free,
                "agents_available": queue.agents_available,
                "wait": None if queue.wait is None else asdict(queue.wait),
                "estimates_judged": queue.judged,
                "estimates_held": queue.held,
                "estimate_error_s": round(queue.error_s, 1),
            }
            for queue in queues
        ],
        "success": [asdict(one) for one in success],
    }


def _keys(data: Path) -> dict[str, Any] | None:
    """Say which key wraps the customers' keys and since when, where the folder is at hand."""
    from toldonce.runtime.rotation import drawn_at, due
    from toldonce.runtime.secrets import kek_drawn_at, load_keks

    folder = data / "secrets"
    try:
        _, newest = load_keks(folder)
        rotated_at = kek_drawn_at(newest)
        return {
            "kek_id": newest,
            "drawn_at": drawn_at(folder).isoformat(),
            "rotated_at": rotated_at and rotated_at.isoformat(),
            "rotated": f"{ago(rotated_at)} ago" if rotated_at else "never",
            "rotation_due": due(folder, datetime.now(UTC)),
        }
    except (Invalid, OSError):
        return None


def _show(out: Out, found: dict[str, Any]) -> None:
    from rich.table import Table

    out.say(
        f"ToldOnce at {found['address']}, client {found['version']}, "
        f"policy {found['policy_version'] or 'none yet: toldonce apply FILE'}"
    )
    out.say("  ".join(f"{name} {state}" for name, state in found["health"].items()))
    if found["keys"] is not None:
        overdue = "; now due: toldonce rotate-keys" if found["keys"]["rotation_due"] else ""
        out.say(f"keys last rotated: {found['keys']['rotated']}{overdue}")
    table = Table(box=None, header_style="bold")
    titles = (
        "queue",
        "waiting",
        "on offer",
        "scheduled",
        "oldest",
        "agents there",
        "free",
        "expect",
        "held",
    )
    for title in titles:
        table.add_column(title, justify="left" if title == "queue" else "right")
    for queue in found["queues"]:
        table.add_row(
            queue["queue"],
            str(queue["waiting"]),
            str(queue["offered"]),
            str(queue["scheduled"]),
            queue["oldest"],
            str(queue["agents_available"]),
            str(queue["agents_free"]),
            band(wait["low_s"], wait["high_s"]) if (wait := queue["wait"]) else "unknown",
            f"{queue['estimates_held'] / judged:.0%}"
            if (judged := queue["estimates_judged"])
            else "-",
        )
    out.console.print(table)
    for one in found["success"]:
        out.say(success_in_words(one))


def success_in_words(one: dict[str, Any]) -> str:
    """Say what learned success does under a policy, in one sentence."""
    if not one["active"]:
        return (
            f"success, policy {one['policy']} (shadow): would have chosen somebody else "
            f"{one['otherwise']} of {one['asked']} times"
        )
    on, off = _ended(one, "on"), _ended(one, "off")
    lift = "; too little to tell the lift yet"
    if one["lift"] is not None:
        points, half = 100 * one["lift"], 100 * one["half_width"]
        lift = f"; lift {points:+.1f} ± {half:.1f} points"
    return f"success, policy {one['policy']}: on {on}; off {off}{lift}"


def _ended(one: dict[str, Any], cycle: str) -> str:
    share, cases = one[f"{cycle}_share"], one[f"{cycle}_cases"]
    if share is None:
        return "none yet"
    return f"{share:.1%} of {cases} cases, {one[f'{cycle}_took_s']:.0f} s each"
