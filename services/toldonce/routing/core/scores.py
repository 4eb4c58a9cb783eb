"""What a pair of work and agent is worth at this moment, in its parts, for whoever asks why."""

from toldonce.kernel.config.success import Success
from toldonce.kernel.config.weighing import MILLI
from toldonce.kernel.instants import MINUTE
from toldonce.routing.core.cycles import draw
from toldonce.routing.core.kinds import POINT, Pair
from toldonce.routing.core.preferring import points
from toldonce.routing.core.rules import Rules
from toldonce.routing.core.state import Agent, Item
from toldonce.routing.core.success import Successes, rate, speed, subject_of
from toldonce.routing.core.types import Arm, Draw

_NOT_USED = {
    Arm.SHADOW: "in shadow",
    Arm.OFF: "off now",
    Arm.EXPLORED: "left out to explore",
}


def score(
    item: Item, agent: Agent, rules: Rules, successes: Successes, now_us: int
) -> tuple[int, str]:
    """Give the worth and say its parts in points; (0, "") where all are worth the same.

    That is so where nothing but the work's own wait and priority counts, and where a case is meant
    for somebody by name. What is learned of success is said also where it does not count.
    """
    pair = _pair(item, agent)
    if pair is None:
        return 0, ""
    rule = rules.queue(pair.work.queue).success
    term, said = (0, "") if rule is None else _success(rule, item, agent, successes, now_us)
    if not term and pair.quick and pair.base == pair.work.priority:
        return 0, said
    parts = [("success", term), *_parts(pair, item, agent, rules, now_us)]
    told = ", ".join(f"{name} {_points(part)}" for name, part in parts if part)
    worth = sum(part for _, part in parts)
    whole = f"worth {_points(worth)}: {told}" if told else "worth 0.0"
    return worth, f"{said}; {whole}" if said else whole


def _success(
    rule: Success, item: Item, agent: Agent, successes: Successes, now_us: int
) -> tuple[int, str]:
    """Give what success adds to the worth, and say what is known of it."""
    subject = subject_of(item.case, rule.by)
    average = successes.of_subject(subject)
    group = "" if agent.kind is None else agent.kind.group
    found = successes.of(subject, agent.name, successes.of_group(subject, group))
    arm = draw(rule, successes.seed, item.case, now_us).arm
    share, pace = found.resolved / MILLI, speed(found, average) / MILLI
    said = f"resolves {share:.2f} at {pace:.2f} pace ({found.cases} seen)"
    if arm is not Arm.ON:
        return 0, f"{said}, {_NOT_USED[arm]}"
    return points(rule, rate(found, average)), said


def part_of(drawn: Draw | None) -> str:
    """Say in brackets which part success had in a decision; "" for none."""
    if drawn is None or (drawn.arm is Arm.SHADOW and not drawn.would):
        return ""
    if drawn.arm is Arm.SHADOW:
        return f" (success would choose {drawn.would})"
    return " (success counts)" if drawn.arm is Arm.ON else f" (success is {_NOT_USED[drawn.arm]})"


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
