"""What a pair of work and agent is worth at this moment, in its parts, for whoever asks why."""

from toldonce.kernel.config.weighing import MILLI
from toldonce.kernel.instants import MINUTE
from toldonce.routing.core.kinds import POINT, Pair
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item


def score(item: Item, agent: Agent, rules: Rules, now_us: int) -> tuple[int, str]:
    """Give the worth and say its parts in points; (0, "") where all are worth the same.

    That is so where nothing but the work's own wait and priority counts, and where a case is meant
    for somebody by name.
    """
    pair = _pair(item, agent)
    if pair is None or (pair.quick and pair.base == pair.work.priority):
        return 0, ""
    parts = _parts(pair, item, agent, rules, now_us)
    told = ", ".join(f"{name} {_points(part)}" for name, part in parts if part)
    worth = sum(part for _, part in parts)
    return worth, f"worth {_points(worth)}: {told}" if told else "worth 0.0"


def _pair(item: Item, agent: Agent) -> Pair | None:
    if item.work is None:
        return None
    for pair in item.work.pairs:
        if pair.agents is agent.kind:
            return pair
    return None


def _parts(
    pair: Pair, item: Item, agent: Agent, rules: Rules, now_us: int
) -> list[tuple[str, int]]:
    """Take apart what `Pair.worth` adds up; being overdue comes before all of it."""
    work, free = pair.work, pair.agents.free
    waited_us = now_us - item.enqueued_us
    pace = 0 if pair.pace is None else pair.paced * pair.pace.per_minute() // MILLI
    base = rules.queue(work.queue).weigh.of(pair.agents.group).base * MINUTE
    idle, spare, spare_all, queue, queue_all, serving = pair.rest
    return [
        ("priority", work.priority),
        ("base", base),
        ("fit", pair.base - base - work.priority),
        ("wait", pair.wait * waited_us),
        ("in time", pair.in_time if waited_us < pair.within_us else 0),
        ("pace", pace * work.tally.waiting.own),
        ("idle", idle * max(0, now_us - agent.idle_us)),
        ("spare", spare * free.own),
        ("spare all", spare_all * free.all.own),
        ("queue", queue * work.tally.waiting.own),
        ("queue all", queue_all * work.tally.waiting.all.own),
        ("serving", serving * work.tally.serving),
    ]


def _points(worth: int) -> str:
    return f"{worth / POINT:.1f}"
