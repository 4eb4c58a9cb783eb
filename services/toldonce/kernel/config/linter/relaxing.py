"""Requirements that relax too late, and steps that cannot do what they are there for.

What nobody meets even after the last step is refused before (`lint`). Here:

- UNSATISFIABLE: nobody meets it *until* a step, so work waits for that step even when everybody is
  free. And a handoff to the queue, which gives up after `handoff.timeout_s`, then always fails.
- STEP: a step that changes nothing that any queue or topic under its policy asks; one after
  `wait_max_s`, by when the work goes before all other and still asks in full; one that comes after
  the work has climbed away: QUEUE_WAIT counts the same wait as the steps do, so on a calendar that
  is always open the work leaves at `target_s + escalate_after_s`.

Offers do not stop this clock, so no step is too late for `offer_timeout_s`.
"""

from collections.abc import Iterator
from math import ceil

from toldonce.kernel.clocks import ClockKind
from toldonce.kernel.config.aims import Rung
from toldonce.kernel.config.linter.crew import Crew, Work
from toldonce.kernel.config.linter.finding import Finding, Rule, Severity, some
from toldonce.kernel.config.types import Config, RoutingPolicy
from toldonce.kernel.skills import Requirement, Step, relaxed


def late(config: Config, crew: Crew, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find work that nobody can take until a step has relaxed what it asks."""
    places = _places(config)
    for work in works:
        waiting: dict[int, list[str]] = {}
        for language, asked in work.asks:
            number = _first_met(crew, asked, work.steps)
            if number:
                waiting.setdefault(number, []).append(language or "any language")
        for number, languages in waiting.items():
            after_s, timeout_s = work.steps[number - 1].after_s, config.handoff.timeout_s
            spoken = some(languages)
            yield Finding(
                Severity.WARNING,
                Rule.UNSATISFIABLE,
                work.path,
                f"nobody meets what {work.name} asks in {spoken} until step {number} of policy "
                f"{config.policy_of(work.queue).name}, so it waits {after_s} s even when all are "
                "free: ask less, or teach somebody",
            )
            if not work.topic and after_s >= timeout_s:
                policy = places[config.policy_of(work.queue).name]
                yield Finding(
                    Severity.WARNING,
                    Rule.STEP,
                    f"policies[{policy}].steps[{number - 1}].after_s",
                    f"a handoff to {work.name} in {spoken} waits {timeout_s} s "
                    f"(handoff.timeout_s) and this step, before which nobody meets it, comes "
                    f"after {after_s} s: it always fails; make the step earlier",
                )


def idle_steps(config: Config, works: tuple[Work, ...]) -> Iterator[Finding]:
    """Find steps that change nothing, or come when it no longer matters."""
    places = _places(config)
    under: dict[str, list[Work]] = {}
    for work in works:
        under.setdefault(config.queues[work.queue].policy, []).append(work)
    for name, those in under.items():
        policy = config.policies.get(name)
        if policy is None:
            continue
        for number, step in enumerate(policy.steps):
            why = _idle(config, policy, number, those)
            if why:
                path = f"policies[{places[name]}].steps[{number}].after_s"
                sentence = f"step {number + 1} of policy {name}, after {step.after_s} s, {why}"
                yield Finding(Severity.WARNING, Rule.STEP, path, sentence)


def _idle(config: Config, policy: RoutingPolicy, number: int, works: list[Work]) -> str:
    """Say why a step is for nothing, or ""."""
    step, queues = policy.steps[number], some(work.queue for work in works)
    if not any(_changes(asked, policy.steps, number) for work in works for _, asked in work.asks):
        return f"changes nothing that is asked on {queues}: take it out, or say what it should drop"
    if step.after_s > policy.wait_max_s:
        return (
            f"comes later than wait_max_s ({policy.wait_max_s}): by then the work already goes "
            "before all other, and still asks for more; make the step earlier"
        )
    leaves = [leaves_s(config, work.queue) for work in works]
    stays = [after_s for after_s in leaves if after_s is None or step.after_s < after_s]
    if not stays:
        gone_s = max(after_s for after_s in leaves if after_s is not None)
        return (
            f"is never in force: work on {queues} has been escalated by {gone_s} s of waiting; "
            "make the step earlier or the escalation later"
        )
    return ""


def leaves_s(config: Config, queue: str) -> int | None:
    """Say after how many seconds of waiting work climbs away from a queue; None: it may not."""
    aims = config.sla_of(queue)
    target = None if aims is None else aims.targets.get(ClockKind.QUEUE_WAIT)
    onward = config.escalation_of(queue)
    if target is None or not onward or not config.clock_calendar_of(queue).always:
        return None
    rungs = (rung for rung in aims.ladder if rung.hands) if aims is not None else ()
    return min(
        (ceil(rung.comes_s(target.target_s)) for rung in rungs if _climbs(rung)), default=None
    )


def _climbs(rung: Rung) -> bool:
    return not rung.clocks or ClockKind.QUEUE_WAIT in rung.clocks


def _changes(asked: Requirement, steps: tuple[Step, ...], number: int) -> bool:
    before, after = steps[:number], steps[: number + 1]
    late_s = steps[number].after_s
    return relaxed(asked, before, late_s) != relaxed(asked, after, late_s)


def _first_met(crew: Crew, asked: Requirement, steps: tuple[Step, ...]) -> int | None:
    """Say after how many steps somebody meets it (0: at once), or None for never."""
    for number in range(len(steps) + 1):
        waited_s = steps[number - 1].after_s if number else 0
        if crew.who(relaxed(asked, steps, waited_s)):
            return number
    return None


def _places(config: Config) -> dict[str, int]:
    return {name: index for index, name in enumerate(config.policies)}
