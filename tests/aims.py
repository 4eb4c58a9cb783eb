"""What the companies of tests aim at: a configuration with every clock, and rules that know it."""

from dataclasses import replace
from datetime import datetime

from tests.tellers import RULES
from toldonce.kernel.clocks import ClockKind, Moment
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own
from toldonce.kernel.story.runs import run_of
from toldonce.kernel.story.types import Case
from toldonce.kernel.timers import timer_id
from toldonce.ownership.core import Rules
from toldonce.ownership.core.commands import FireTimer
from toldonce.runtime.document import check
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
DOCUMENT = """
version: 1
languages: [nl]
skills: [orders]
channels: [{name: chat, kind: chat, cost: 1, queue: orders}]
topics: [{name: order, queue: orders, words: {nl: [pakket]}}]
queues:
  - {name: orders, sla: all, dispositions: [resolved, refunded], escalation_queue: escalations}
  - {name: returns, sla: all, dispositions: [resolved], escalation_queue: escalations}
  - {name: escalations, dispositions: [resolved]}
agents: [{name: anna, skills: {orders: 3}, languages: {nl: 5}, capacity_units: 4}]
sla:
  - name: all
    targets:
      {queue_wait_s: WAIT, first_response_s: FIRST, next_response_s: NEXT, resolution_s: DONE}
    warn_fraction: 0.5
    MORE
"""
LADDER = """
    on_breach: {raise_priority_by: 100}
    ladder:
      - {at_fraction: 0.75, raise_priority_by: 50, widen: true, notify: true}
      - {after_breach_s: 5, hand_up: 1}
      - {after_breach_s: 10, page: true}
"""


def aims(
    *,
    wait: int = 60,
    first: int = 120,
    next_s: int = 60,
    done: int = 600,
    spoken: bool = False,
    more: str = "on_breach: {raise_priority_by: 100, escalate_after_s: 20}",
) -> Config:
    """Aim at so many seconds; `more` is the rest of the policy. `spoken`: no written answers."""
    text = DOCUMENT.replace("WAIT", str(wait)).replace("FIRST", str(first))
    text = text.replace("cost: 1,", "cost: 1, reply: false,") if spoken else text
    text = text.replace("NEXT", str(next_s)).replace("DONE", str(done))
    return check(text.replace("MORE", more.strip()), ZONES).at_revision(1)


def aimed(config: Config | None = None, rules: Rules = RULES) -> Rules:
    """Let rules know what is aimed at."""
    return replace(rules, config=config or aims())


def fired(case: Case, clock: ClockKind, moment: Moment, since: datetime | None = None) -> FireTimer:
    """Say that a moment of a clock's present run, or of one that began at `since`, has come."""
    run = run_of(case, clock)
    started_at = since or (case.opened_at if run is None else run.started_at)
    return FireTimer(case.own, Own(timer_id(case.own, clock, moment, started_at)), clock, moment)
