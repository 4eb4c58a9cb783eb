"""What the demo shows: how it goes while it runs, and the report at its end."""

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from toldonce.cli.company.verdict import Verdict

_TRY = """
What to try next
  toldonce up                                     run it, and in other terminals:
  toldonce submit --text "Where is my parcel?" --email joan@example.org
  toldonce agent anouk                            be the agent who answers
  toldonce case ID                                the story of a case
  toldonce demo --contacts 3000 --seed 7          another day"""


def report(console: Console, verdict: Verdict) -> None:
    """Print the report."""
    console.print()
    console.print(_channels(verdict))
    console.print()
    console.print(_promises(verdict))
    console.print()
    console.print(_sums(verdict))
    for said, count in verdict.troubles:
        console.print(Text(f"  seen {count} times: {said}", style="dim"))
    for said in verdict.shortcomings:
        console.print(Text(f"This demo fell short: {said}.", style="bold red"))
    console.print(Text(_TRY))


def _channels(verdict: Verdict) -> RenderableType:
    table = Table(title="Channels", title_justify="left", box=None, header_style="bold")
    for name in ("channel", "contacts", "wait p50", "wait p99", "service level", "handoffs"):
        table.add_column(name, justify="left" if name == "channel" else "right")
    for one in verdict.channels:
        table.add_row(
            one.channel,
            str(one.contacts),
            f"{one.wait_p50_s:.2f} s",
            f"{one.wait_p99_s:.2f} s",
            f"{one.service_level:.0%}",
            str(one.handoffs),
        )
    return table


def _promises(verdict: Verdict) -> RenderableType:
    table = Table(title="Promises", title_justify="left", box=None, header_style="bold")
    for name in ("", "promise", "held", "broken", "of"):
        table.add_column(name, justify="right" if name in {"held", "broken"} else "left")
    for one in verdict.promises:
        mark = Text(one.name, style="green" if one.kept else "bold red")
        broken = Text(str(one.broken), style="" if one.kept else "bold red")
        table.add_row(mark, one.says, str(max(0, one.count - one.broken)), broken, one.looked_at)
    return table


def _sums(verdict: Verdict) -> RenderableType:
    f = verdict.figures
    lines = (
        f"{f['contacts_submitted']} contacts, {f['repeats_sent']} sent again:",
        f"  {f['contacts_acknowledged']} acknowledged, {f['duplicates_created']} duplicates,",
        f"  {f['owned_once']} owned once, {f['owned_twice']} owned twice, {f['unowned']} unowned,",
        f"  {f['ended_without_owner']} hung up before anybody had them.",
        f"{f['handoffs']} handoffs, {f['handoffs_context_equal']} with an equal context.",
        f"{f['declines']} offers declined, {f['offers_expired']} overlooked.",
        f"{f['agents_vanished']} agents vanished, {f['escalations']} escalations.",
        f"{f['timers_armed']} timers armed, {f['timers_fired']} fired, {f['timers_lost']} lost,",
        f"  {f['timers_early']} early; {f['breaches']} breaches.",
        f"{f['seconds']} s, {f['lifecycles_per_s']} whole cases a second, {f['appends']} appends.",
    )
    return Group(*(Text(line) for line in lines))
