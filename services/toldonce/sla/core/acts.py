"""What a timer asks of ownership when its instant has come. Pure.

A timer is wanted while its clock runs and its moment is not in the story yet; a breach is recorded
before any rung that comes after it. Of each clock only the next timer is planned: what comes after
it follows when the story has recorded that one, and whoever finds several due at once does them in
order. What a moment does is for the policy in force to say, where it is recorded.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config import Config
from toldonce.kernel.ids import Own, derive
from toldonce.kernel.principal import Role
from toldonce.kernel.sla import handed_to, policy_of
from toldonce.kernel.story.types import Case, Story
from toldonce.kernel.timers import Timer, clock_timers

SERVICE = "sla"
ACTOR = f"{Role.SERVICE.value}:{SERVICE}"  # who tells timers, as the log names it

_WHAT = {
    ClockKind.QUEUE_WAIT: "wait for an agent",
    ClockKind.FIRST_RESPONSE: "first answer",
    ClockKind.NEXT_RESPONSE: "next answer",
    ClockKind.RESOLUTION: "resolution",
    ClockKind.COMMITMENT: "promise",
}


@dataclass(frozen=True, slots=True)
class Act:
    """Say that the moment of a timer has come.

    `summary` is for whoever the case is handed to; "" when it is handed to nobody. It holds no
    words of anybody.
    """

    timer: Timer
    summary: str = ""

    @property
    def reason(self) -> str:
        """Say why, in a line."""
        how = "breached" if self.timer.due_at <= self.timer.fires_at else "at risk"
        return f"SLA {how}: {self.timer.clock.name}"


def acts_of(story: Story, config: Config, own: str, now: datetime) -> tuple[Act, ...]:
    """Say what firing a timer asks, in order; nothing when the story does not want it any more.

    What comes after it on the same clock and is due `now` is asked with it. Before the timer's own
    instant the answer is the same as at it: the caller looks at `fires_at`.
    """
    clock = clock_timers(story, config, own)
    place = next((place for place, one in enumerate(clock) if one.own == own), None)
    if place is None:
        return ()
    timer = clock[place]
    before = [one for one in clock[:place] if one.moment.rung >= 0]  # a breach, or a lower rung
    after = [one for one in clock[place + 1 :] if one.fires_at <= now]
    return tuple(_act(story, config, one) for one in (*before, timer, *after))


def operation_of(timer: Timer) -> Own:
    """Name the act of a timer: fired twice, by whomever, it is done once."""
    return Own(derive("fire-timer", timer.own))


def _act(story: Story, config: Config, timer: Timer) -> Act:
    case = story.case(timer.case)
    policy = None if case is None else policy_of(case, config)
    rung = timer.moment.rung
    if case is None or policy is None or rung < 1:
        return Act(timer)
    if not handed_to(case, config, policy, rung):
        return Act(timer)
    return Act(timer, _summary(case, timer, policy.targets[timer.clock].target_s))


def _summary(case: Case, timer: Timer, target_s: float) -> str:
    """Tell the facts: no names of people, nothing anybody said."""
    due = timer.due_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    late = timer.due_at <= timer.fires_at
    took = "took longer than" if late else "will soon have taken"
    held = "An agent has the case." if case.owner else "Nobody has the case yet."
    return (
        f"The {_WHAT[timer.clock]} {took} {target_s:g} s of working time in queue {case.queue}; it "
        f"{'was' if late else 'is'} due {due}. {held} Channel {case.channel}, priority "
        f"{case.priority}, handed over {case.hops} times."
    )
