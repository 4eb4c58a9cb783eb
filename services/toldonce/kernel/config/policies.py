"""Reading what governs routing: policies, presence, ownership, handoff and limits."""

from toldonce.kernel.config.aims import TARGET_MAX_S
from toldonce.kernel.config.owning import (
    DAY_S,
    AbsentPolicy,
    Handoff,
    HandoffPart,
    OwnerAbsent,
)
from toldonce.kernel.config.success import success
from toldonce.kernel.config.tree import Fields
from toldonce.kernel.config.types import (
    Limits,
    Presence,
    RoutingPolicy,
)
from toldonce.kernel.config.weighing import weighing
from toldonce.kernel.skills import Step
from toldonce.kernel.story.types import OFFERS_MAX

PRIORITY_MAX = 10_000
HOPS_MAX = 100
TEXT_BYTES_MAX = 49_152
STEPS_MAX = 16


def policies(document: Fields) -> list[RoutingPolicy]:
    """Read the routing policies."""
    plain = RoutingPolicy()
    known = (
        "name",
        "steps",
        "prefer_owner_s",
        "decline_cooldown_s",
        "age_points_per_minute",
        "wait_max_s",
        "offer_timeout_s",
        "bad_experience_points",
        "round",
        "weigh",
        "success",
    )
    return [
        RoutingPolicy(
            name=entry.name("name"),
            steps=_steps(entry),
            prefer_owner_s=entry.whole("prefer_owner_s", 0, DAY_S, plain.prefer_owner_s),
            decline_cooldown_s=entry.whole(
                "decline_cooldown_s", 1, DAY_S, plain.decline_cooldown_s
            ),
            age_points_per_minute=(
                points := entry.whole(
                    "age_points_per_minute", 1, PRIORITY_MAX, plain.age_points_per_minute
                )
            ),
            wait_max_s=entry.whole("wait_max_s", 1, 30 * DAY_S, plain.wait_max_s),
            offer_timeout_s=entry.whole("offer_timeout_s", 1, DAY_S, plain.offer_timeout_s),
            bad_experience_points=entry.whole(
                "bad_experience_points", 0, PRIORITY_MAX, plain.bad_experience_points
            ),
            round=entry.whole("round", 1, OFFERS_MAX, plain.round),
            weigh=weighing(entry, points),
            success=success(entry),
        )
        for entry in document.sections("policies", known)
    ]


def _steps(policy: Fields) -> tuple[Step, ...]:
    known = ("after_s", "lower_by", "at_most", "drop", "any_language")
    steps: list[Step] = []
    for entry in policy.sections("steps", known, count_max=STEPS_MAX):
        step = Step(
            after_s=entry.whole("after_s", 1, 30 * DAY_S),
            lower_by=entry.whole("lower_by", 0, 4, 0),
            at_most=tuple(sorted(entry.levels("at_most").items())),
            drop=entry.names("drop"),
            any_language=entry.flag("any_language", default=False),
        )
        if steps and step.after_s <= steps[-1].after_s:
            entry.wrong("after_s", "must be later than the step before")
        if not (step.lower_by or step.at_most or step.drop or step.any_language):
            entry.wrong("after_s", "is a step that changes nothing")
        steps.append(step)
    return tuple(steps)


def presence(document: Fields) -> Presence:
    """Read how long silence lasts."""
    plain = Presence()
    entry = document.section("presence", ("heartbeat_s", "stale_s", "gone_s"))
    found = Presence(
        heartbeat_s=entry.whole("heartbeat_s", 1, 600, plain.heartbeat_s),
        stale_s=entry.whole("stale_s", 1, 3_600, plain.stale_s),
        gone_s=entry.whole("gone_s", 1, DAY_S, plain.gone_s),
    )
    if not found.heartbeat_s < found.stale_s < found.gone_s:
        document.wrong("presence", "wanted heartbeat_s < stale_s < gone_s")
    return found


def handoff(document: Fields) -> Handoff:
    """Read what a handoff needs."""
    plain = Handoff()
    known = ("timeout_s", "required", "hops_max", "warm_max_s", "consult_max_s")
    entry = document.section("handoff", known)
    return Handoff(
        timeout_s=entry.whole("timeout_s", 1, DAY_S, plain.timeout_s),
        required=entry.choices("required", HandoffPart, plain.required),
        hops_max=entry.whole("hops_max", 1, HOPS_MAX, plain.hops_max),
        warm_max_s=entry.whole("warm_max_s", 1, DAY_S, plain.warm_max_s),
        consult_max_s=entry.whole("consult_max_s", 1, 30 * DAY_S, plain.consult_max_s),
    )


def owner_absent(channel: Fields) -> OwnerAbsent:
    """Read what a channel does about an owner who is absent."""
    plain = OwnerAbsent()
    entry = channel.section("owner_absent", ("policy", "grace_s", "keep_max_s", "backup_s"))
    policy = entry.choice("policy", AbsentPolicy, plain.policy)
    for key, of in (("keep_max_s", AbsentPolicy.KEEP), ("backup_s", AbsentPolicy.BACKUP)):
        if key in entry.values and policy is not of:
            entry.wrong(key, f"means nothing under policy {policy}: it belongs to {of}")
    graced = "grace_s" in entry.values
    return OwnerAbsent(
        policy=policy,
        grace_s=entry.whole("grace_s", 1, 30 * DAY_S) if graced else None,
        keep_max_s=entry.whole("keep_max_s", 1, TARGET_MAX_S, plain.keep_max_s),
        backup_s=entry.whole("backup_s", 1, DAY_S, plain.backup_s),
    )


def reopen_window_s(document: Fields) -> int:
    """Read how long a closed case can be reopened; 0 is never."""
    return document.whole("reopen_window_s", 0, TARGET_MAX_S, 7 * DAY_S)


def limits(document: Fields) -> Limits:
    """Read the bounds of the tenant."""
    plain = Limits()
    entry = document.section("limits", ("submit_per_s", "text_bytes_max"))
    return Limits(
        submit_per_s=entry.whole("submit_per_s", 0, 1_000_000, plain.submit_per_s),
        text_bytes_max=entry.whole("text_bytes_max", 1, TEXT_BYTES_MAX, plain.text_bytes_max),
    )
