"""`toldonce rotate-keys`: make final what was forgotten."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from toldonce.cli.options import DATA, DataOption, JsonOption
from toldonce.cli.output import FAILED, Out

if TYPE_CHECKING:
    from toldonce.runtime.settings import Settings
    from toldonce.runtime.table import Table

_USER = "ownership"  # the one user of NATS that may write keys; its inboxes bear its name
_SAID_EVERY = 1_000


def rotate_keys(*, data: DataOption = DATA, json: JsonOption = "") -> None:
    """Wrap every customer's key anew and destroy what wrapped them before.

    What was forgotten until now is then gone from every old copy too. Works beside a running
    `toldonce up` and without one; a run that was interrupted is finished by the next. With
    TOLDONCE_NATS set it wraps anew under the newest key of TOLDONCE_SECRETS and destroys none.

    Example: `toldonce rotate-keys`
    """
    from toldonce.runtime.app import run
    from toldonce.runtime.logs import set_up_logging
    from toldonce.runtime.settings import Settings, read, refuse_unknown

    set_up_logging(level="warning")
    out = Out(json)
    refuse_unknown(os.environ, (Settings,))
    settings = read(Settings)
    begun_s = time.monotonic()
    found = run(_in_cluster(settings, out) if settings.nats else _here(data, out))
    found["seconds"] = round(time.monotonic() - begun_s, 3)
    _show(out, found)
    out.emit(found)
    if found["unreadable_blocks"]:
        raise typer.Exit(FAILED)


async def _here(data: Path, out: Out) -> dict[str, Any]:
    from toldonce.runtime.clock import SystemClock
    from toldonce.runtime.embedded import log_of
    from toldonce.runtime.rotation import rotate

    async with log_of(data) as url, _keys([url], 1, {}) as table:
        done = await rotate(data / "secrets", table, SystemClock(), _progress(out))
    return {
        "kek_id": done.kek_id,
        "destroyed": list(done.destroyed),
        "finished_an_older_one": done.finished,
        "blocks": done.rewrapped.blocks,
        "rewrapped": done.rewrapped.rewrapped,
        "unreadable_blocks": done.rewrapped.unreadable,
    }


async def _in_cluster(settings: "Settings", out: Out) -> dict[str, Any]:
    from toldonce.runtime.rotation import rewrap
    from toldonce.runtime.secrets import load_keks

    folder, urls = settings.secrets_folder(), settings.nats.split(",")
    async with _keys(urls, settings.replicas, settings.nats_options()) as table:
        done = await rewrap(folder, table, _progress(out))
    return {
        "kek_id": load_keks(folder)[1],
        "destroyed": [],
        "finished_an_older_one": False,
        "blocks": done.blocks,
        "rewrapped": done.rewrapped,
        "unreadable_blocks": done.unreadable,
    }


@asynccontextmanager
async def _keys(urls: list[str], replicas: int, options: dict[str, Any]) -> "AsyncIterator[Table]":
    from toldonce.runtime import names
    from toldonce.runtime.nats_link import Link
    from toldonce.runtime.table import open_table

    link = await Link.connect(urls, name=_USER, options=options)
    try:
        yield await open_table(link, names.KEYS, replicas=replicas)
    finally:
        await link.close()


def _progress(out: Out) -> Any:  # noqa: ANN401 - a progress of rotation, not imported early
    seen = 0

    def tell(place: int, last: int) -> None:
        nonlocal seen
        seen += 1
        if seen % _SAID_EVERY == 0:
            out.say(f"  {seen} blocks looked at (place {place} of {last})")

    return tell


def _show(out: Out, found: dict[str, Any]) -> None:
    out.say(
        f"Key {found['kek_id']} wraps all {found['blocks']} blocks "
        f"({found['rewrapped']} wrapped anew, {found['seconds']} s)."
    )
    if found["destroyed"]:
        out.say(f"Destroyed: {', '.join(found['destroyed'])}. What was forgotten is gone for good.")
    else:
        out.say("No key was destroyed: take the older ones out of the secret now.")
    if found["unreadable_blocks"]:
        out.say(
            f"{found['unreadable_blocks']} blocks open with no key that is here: if one was taken "
            "away too early, bring it back and run this again."
        )
