"""`toldonce replay`: go through recorded decisions again, under the same policy or another."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toldonce.cli.options import (
    DATA,
    AddressOption,
    AsOption,
    DataOption,
    JsonOption,
    TokenOption,
    connect,
)
from toldonce.cli.output import FAILED, Out
from toldonce.kernel.errors import Invalid

if TYPE_CHECKING:
    from toldonce.lab.replay import Proof
    from toldonce.lab.whatif import Change, Diff

_HOUR_S = 3_600


def replay(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="An exported journal; without one it is fetched from the running system.",
            show_default=False,
        ),
    ] = None,
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Try this configuration on the same day."),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option("--hours", min=0, help="Only the last so many hours; default: all kept."),
    ] = None,
    within_s: Annotated[
        int,
        typer.Option("--within", min=1, help="Seconds that are in time where no SLA says so."),
    ] = 60,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Also write the journal into a file."),
    ] = None,
    address: AddressOption = "",
    token: TokenOption = "",
    as_: AsOption = "",
    data: DataOption = DATA,
    json: JsonOption = "",
) -> None:
    """Go through recorded decisions again: the same policy must decide alike, to the last bit.

    Exit 0 says that it did, and how often; 1 that something was decided otherwise.

    With --config the day is tried twice by one model, under its own policies and under this one:
    contacts come when they came and leave unserved when they left; agents are there as they were;
    every offer is accepted after the delay recorded for that case, and worked on for as long as was
    recorded for it, whoever has it; a case is handed on as it was, unless whoever has it could have
    taken it from there. Declines and changes of priority are not repeated.

    Example: `toldonce replay --hours 24 --config examples/desk.yaml`
    """
    from toldonce.lab.replay import proof
    from toldonce.routing.wire.journal import bind_messages

    out = Out(json)
    since = None if hours is None else datetime.now(UTC).timestamp() - hours * _HOUR_S
    messages = _exported(file) if file else _fetched(since, address, token, as_, data)
    if export is not None:
        export.touch(mode=0o600)
        with export.open("wb") as book:
            book.writelines(bind_messages(messages))
    found = proof(messages)
    _show(out, found)
    figures: dict[str, Any] = dataclasses.asdict(found) | {"identical": found.identical}
    if config is not None:
        diff = _try(config, messages, within_s)
        _show_diff(out, diff)
        figures["whatif"] = dataclasses.asdict(diff)
    out.emit(figures)
    if not found.identical:
        raise typer.Exit(FAILED)


def _exported(file: Path) -> list[bytes]:
    from toldonce.routing.wire.journal import unbind_messages

    try:
        return list(unbind_messages(file.read_bytes()))
    except OSError as error:
        raise Invalid("FILE", f"cannot read {file}: {error.strerror}") from None


def _fetched(since_s: float | None, address: str, token: str, as_: str, data: Path) -> list[bytes]:
    from toldonce.client.desk import Desk
    from toldonce.runtime.app import run

    since = None if since_s is None else datetime.fromtimestamp(since_s, UTC)

    async def read() -> list[bytes]:
        async with connect(address, token, as_, data, usual="supervisor:cli") as client:
            return [message async for message in Desk(client).journal(since)]

    return run(read())


def _try(file: Path, messages: list[bytes], within_s: int) -> "Diff":
    from toldonce.cli.check import read_config
    from toldonce.lab.whatif import whatif
    from toldonce.lab.yesterday import yesterday
    from toldonce.routing.wire.journal import Readable

    wanted = read_config(file)
    day = yesterday(Readable(messages))
    if day is None:
        raise Invalid("journal", "there is no snapshot in this journal to begin with")
    return whatif(day, wanted, within_s)


def _show(out: Out, found: "Proof") -> None:
    policies = ", ".join(found.policies) or "none"
    out.say(
        f"{found.steps} steps with {found.decisions} decisions were gone through again "
        f"(policies {policies}; {found.snapshots} snapshots, {found.gaps} gaps, "
        f"{found.skipped} steps behind a gap, {found.unreadable} messages not readable here)."
    )
    if found.identical:
        out.say("Every decision is identical, to the last bit.")
        return
    out.say(
        f"{found.otherwise} steps went otherwise; {found.differing} snapshots show something else."
    )
    for one in found.differences:
        at = datetime.fromtimestamp(one.at_us / 1e6, UTC)
        for mark, words in (("-", one.then), ("+", one.now)):
            for word in words:
                out.say(f"  {at:%H:%M:%S.%f} {mark} {word}")


def _show_diff(out: Out, diff: "Diff") -> None:
    out.say()
    out.say("By the model (see --help); `recorded` is what happened, for comparison.")
    out.say(
        f"{'queue':20} {'':9} {'cases':>6} {'served':>6} {'wait':>8} {'p90':>8} {'in time':>8} "
        f"{'hops':>6}"
    )
    for queue in diff.now:
        for name, figures in (
            ("recorded", diff.recorded.get(queue)),
            ("then", diff.then.get(queue)),
            ("now", diff.now[queue]),
        ):
            if figures is not None:
                out.say(
                    f"{queue:20} {name:9} {figures.cases:6} {figures.served:6} "
                    f"{figures.wait_s:6.1f} s {figures.wait_p90_s:6.1f} s "
                    f"{figures.service_level:8.1%} {figures.hops:6.2f}"
                )
    out.say(f"{diff.gained} cases gained, {diff.lost} lost, {diff.same} waited as long as before.")
    for title, changes in (("gained most", diff.most_gained), ("lost most", diff.most_lost)):
        _show_changes(out, title, changes)
    for name, (then, now) in diff.agents.items():
        if round(then, 1) != round(now, 1):
            out.say(f"  {name}: {then:.1f} minutes of work, now {now:.1f}")


def _show_changes(out: Out, title: str, changes: "tuple[Change, ...]") -> None:
    for one in changes:
        waits = f"{one.then_s:.1f} s, now {one.now_s:.1f} s"
        out.say(f"  {title}: {one.case_id} ({one.queue}) waited {waits}")
