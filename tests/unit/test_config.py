"""A tenant's document: what is read, and what is refused with the path of its key."""

import copy
from datetime import date
from typing import Any

import pytest

from toldonce.kernel.calendar import ALWAYS
from toldonce.kernel.clocks import ClockKind, Target
from toldonce.kernel.config import (
    DEFAULT_POLICY,
    AbsentPolicy,
    AgentKind,
    ChannelKind,
    Config,
    Handoff,
    HandoffPart,
    OwnerAbsent,
    parse,
    read,
)
from toldonce.kernel.config.aims import Rung
from toldonce.kernel.config.success import Mode, Success
from toldonce.kernel.config.types import Overflow
from toldonce.kernel.errors import Invalid
from toldonce.kernel.skills import Requirement
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
DAYTIME = {"name": "day", "zone": "Europe/Amsterdam", "weekly": {"monday": ["09:00-17:00"]}}
SMALL: dict[str, Any] = {
    "version": 1,
    "languages": ["nl", "en"],
    "skills": ["orders", "calm"],
    "channels": [{"name": "chat", "kind": "chat", "cost": 2, "queue": "orders"}],
    "topics": [{"name": "angry", "queue": "orders", "words": {"nl": ["boos"]}}],
    "queues": [
        {"name": "orders", "dispositions": ["done"]},
        {"name": "up", "dispositions": ["ok"]},
    ],
    "agents": [
        {
            "name": "anna",
            "skills": {"orders": 3},
            "languages": {"nl": 5, "en": 4},
            "capacity_units": 4,
        }
    ],
    "calendars": [DAYTIME],
}


def small(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(SMALL) | changes


def put(tree: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Set what stands at a path such as `queues.0.sla`."""
    *parents, last = path.split(".")
    place: Any = tree
    for step in parents:
        place = place[int(step)] if step.isdecimal() else place.setdefault(step, {})
    place[int(last) if last.isdecimal() else last] = value
    return tree


def problems(tree: object) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        read(tree, ZONES)
    return {problem.field: problem.sentence for problem in refused.value.problems}


def test_small_document_is_read_with_its_defaults() -> None:
    config = read(SMALL, ZONES)
    chat = config.channels["chat"]
    assert (chat.kind, chat.cost, chat.reply, chat.calendar) == (
        ChannelKind.CHAT,
        2,
        True,
        "always",
    )
    assert config.agents["anna"].kind is AgentKind.HUMAN
    assert config.handoff.required == (HandoffPart.REASON, HandoffPart.SUMMARY)
    assert config.policy_of("orders") is DEFAULT_POLICY
    assert config.offer_timeout_s("orders") == DEFAULT_POLICY.offer_timeout_s
    assert config.sla_of("orders") is None
    assert config.hours_of("orders") is ALWAYS
    assert config.clock_calendar_of("nowhere") is ALWAYS


def test_document_names_its_version() -> None:
    config = read(SMALL, ZONES).at_revision(7)
    assert config.policy_version == f"7-{config.digest[:6]}"
    assert config.calendar_version == f"{config.digest[:6]}-{ZONES.version}"


def test_digest_changes_with_the_meaning_and_not_with_the_order_of_keys() -> None:
    plain = read(SMALL, ZONES).digest
    assert read(dict(reversed(SMALL.items())), ZONES).digest == plain
    assert read(put(small(), "channels.0.cost", 3), ZONES).digest != plain


def test_sla_gives_targets_and_what_a_breach_does() -> None:
    aims = {
        "name": "fast",
        "calendar": "day",
        "targets": {"queue_wait_s": 60, "first_response_s": 600},
        "warn_fraction": 0.75,
        "on_breach": {"raise_priority_by": 5, "escalate_after_s": 30, "escalate_to": "up"},
    }
    config = read(put(small(sla=[aims]), "queues.0.sla", "fast"), ZONES)
    policy = config.sla_of("orders")
    assert policy is not None
    assert policy.targets[ClockKind.QUEUE_WAIT] == Target(ClockKind.QUEUE_WAIT, 60, 750)
    assert policy.ladder == (Rung(after_s=30, hands=True, hand_to="up"),)
    assert (policy.raise_priority_by, config.escalation_of("orders")) == (5, "up")
    assert config.escalation_of("up") == ""
    assert config.clock_calendar_of("orders").name == "day"
    assert config.hours_of("orders") is ALWAYS


def test_queue_that_shares_its_escalation_target_ends_there() -> None:
    aims = {"name": "fast", "targets": {"queue_wait_s": 60}, "on_breach": {"escalate_to": "up"}}
    config = read(
        put(put(small(sla=[aims]), "queues.0.sla", "fast"), "queues.1.sla", "fast"), ZONES
    )
    assert (config.escalation_of("orders"), config.escalation_of("up")) == ("up", "")


def test_requirement_takes_the_higher_level_of_topic_and_queue() -> None:
    tree = put(put(small(), "topics.0.skills", {"orders": 3}), "queues.0.skills", {"orders": 2})
    config = read(tree, ZONES)
    asked = config.requirement("orders", topic="angry", language="nl", excluded_agents=("bob",))
    assert asked == Requirement("orders", (("orders", 3),), "nl", (), ("bob",))


def test_topic_may_be_answered_in_any_language() -> None:
    config = read(put(small(), "topics.0.any_language", value=True), ZONES)
    assert config.requirement("orders", topic="angry", language="nl").language == ""
    assert config.requirement("orders", language="nl").language == "nl"


def test_holidays_and_exceptions_become_dates() -> None:
    day = DAYTIME | {
        "holidays": ["2026-12-25"],
        "exceptions": [{"date": "2026-12-24", "open": ["13:00-15:00", "09:00-12:00"]}],
    }
    exceptions = read(small(calendars=[day]), ZONES).calendars["day"].exceptions
    assert exceptions[date(2026, 12, 25)] == ()
    assert [h.opens_s for h in exceptions[date(2026, 12, 24)]] == [32400, 46800]


@pytest.mark.parametrize(
    ("path", "value", "field", "says"),
    [
        ("version", 2, "version", "from 1 to 1"),
        ("quues", [], "quues", "did you mean queues?"),
        ("zebra", 1, "zebra", "known are version, tenant"),
        ("channels.0.kost", 1, "channels[0].kost", "did you mean cost?"),
        ("channels.0.kind", "chatt", "channels[0].kind", "did you mean chat?"),
        ("channels.0.cost", 0, "channels[0].cost", "from 1 to 1000"),
        ("channels.0.cost", 1.5, "channels[0].cost", "whole number"),
        ("channels.0.cost", True, "channels[0].cost", "got true"),
        ("channels.0.reply", "yes", "channels[0].reply", "true or false"),
        ("channels", [], "channels", "at least one"),
        ("channels.0.name", "Chat!", "channels[0].name", "a-z"),
        ("channels.0.shared_aliases", ["a\x00b"], "channels[0].shared_aliases[0]", "control"),
        ("languages", ["nederlands"], "languages[0]", "two or three letters"),
        ("languages", ["nl", "nl"], "languages[1]", "there twice"),
        ("languages", "nl", "languages", "wanted a list"),
        ("queues.1.name", "orders", "queues[1].name", "there twice"),
        ("queues.0.dispositions", [], "queues[0].dispositions", "at least one"),
        ("queues.0.skills", {"orders": 6}, "queues[0].skills.orders", "from 1 to 5"),
        ("agents.0.capacity_units", None, "agents[0].capacity_units", "got nothing"),
        ("agents.0.skills", ["orders"], "agents[0].skills", "keys and values"),
        ("presence", {"stale_s": 2}, "presence", "heartbeat_s < stale_s"),
        ("handoff", {"required": ["sumary"]}, "handoff.required[0]", "did you mean summary?"),
        ("handoff", {"hops_max": 0}, "handoff.hops_max", "from 1 to 100"),
        ("reopen_window_s", -1, "reopen_window_s", "from 0"),
        ("channels.0.owner_absent", "keep", "channels[0].owner_absent", "keys and values"),
        (
            "channels.0.owner_absent.policy",
            "requeu",
            "channels[0].owner_absent.policy",
            "did you mean requeue?",
        ),
        (
            "channels.0.owner_absent",
            {"policy": "keep", "backup_s": 60},
            "channels[0].owner_absent.backup_s",
            "means nothing under policy keep: it belongs to backup",
        ),
        (
            "policies",
            [{"name": "p", "steps": [{"after_s": 5}]}],
            "policies[0].steps[0].after_s",
            "",
        ),
        (
            "policies",
            [{"name": "p", "success": {"by": ["topic", "age"]}}],
            "policies[0].success.by[1]",
            "never by an attribute of the customer",
        ),
        (
            "policies",
            [{"name": "p", "success": {"by": ["topic", "topic"]}}],
            "policies[0].success.by[1]",
            "there twice",
        ),
        (
            "policies",
            [{"name": "p", "success": {"mode": "on"}}],
            "policies[0].success.mode",
            "none, shadow, active",
        ),
        (
            "policies",
            [{"name": "p", "success": {"explore": 0.7}}],
            "policies[0].success.explore",
            "more than half",
        ),
        (
            "policies",
            [{"name": "p", "success": {"weight": -1}}],
            "policies[0].success.weight",
            "never a reason against",
        ),
        (
            "policies",
            [{"name": "p", "success": {"cycles": 3}}],
            "policies[0].success.cycles",
            "",
        ),
        ("calendars.0.zone", "Europe/Amstelveen", "calendars[0].zone", "no IANA zone"),
        ("calendars.0.weekly", {}, "calendars[0].weekly", "no open time"),
        (
            "calendars.0.weekly",
            {"monday": ["17:00-09:00"]},
            "calendars[0].weekly.monday[0]",
            "open",
        ),
        (
            "calendars.0.weekly",
            {"monday": ["9-17"]},
            "calendars[0].weekly.monday[0]",
            "09:00-17:30",
        ),
        (
            "calendars.0.weekly",
            {"monday": ["09:00-24:30"]},
            "calendars[0].weekly.monday[0]",
            "24:00",
        ),
        (
            "calendars.0.weekly",
            {"monday": ["09:00-12:00", "11:00-13:00"]},
            "calendars[0].weekly.monday[1]",
            "overlaps",
        ),
        ("calendars.0.holidays", ["2026-02-30"], "calendars[0].holidays[0]", "a date"),
        ("calendars.0.exceptions", [{"open": []}], "calendars[0].exceptions[0].date", "a date"),
        ("calendars.0.always", True, "calendars[0].zone", "does not go"),
        ("sla", [{"name": "s"}], "sla[0].targets", "is missing"),
        ("sla", [{"name": "s", "targets": {"queue_wait_s": 0}}], "sla[0].targets.queue_wait_s", ""),
        ("sla", [{"name": "s", "warn_fraction": 1}], "sla[0].warn_fraction", "below 1"),
        ("sla", [{"name": "s", "warn_fraction": 0}], "sla[0].warn_fraction", "above 0"),
    ],
)
def test_misshaped_document_is_refused_with_the_path(
    path: str, value: object, field: str, says: str
) -> None:
    found = problems(put(small(), path, value))
    assert field in found, found
    assert says in found[field]


def test_every_problem_is_told_at_once() -> None:
    found = problems({"version": 1, "languages": ["nl"], "skills": [3], "queues": [{}]})
    assert {"skills[0]", "channels", "agents", "queues[0].name", "queues[0].dispositions"} <= set(
        found
    )


@pytest.mark.parametrize("tree", [None, "text", [], 3, {1: 2}, {}])
def test_what_is_no_document_is_refused(tree: object) -> None:
    assert problems(tree)


@pytest.mark.parametrize(
    ("path", "value", "field", "says"),
    [
        ("channels.0.queue", "order", "channels[0].queue", "did you mean orders?"),
        ("channels.0.calendar", "night", "channels[0].calendar", "no calendar 'night'"),
        ("topics.0.queue", "sales", "topics[0].queue", "no queue 'sales'"),
        ("topics.0.words", {"fr": ["fou"]}, "topics[0].words.fr", "no language 'fr'"),
        ("topics.0.skills", {"cam": 1}, "topics[0].skills.cam", "did you mean calm?"),
        ("queues.0.sla", "fast", "queues[0].sla", "no sla 'fast'"),
        ("queues.0.policy", "ring", "queues[0].policy", "no policy 'ring'"),
        ("queues.0.escalation_queue", "top", "queues[0].escalation_queue", "no queue 'top'"),
        ("agents.0.queues", ["order"], "agents[0].queues", "did you mean orders?"),
        ("agents.0.languages", {"nl": 1, "de": 1}, "agents[0].languages.de", "no language 'de'"),
        (
            "policies",
            [{"name": "p", "steps": [{"after_s": 5, "drop": ["kalm"]}]}],
            "policies[0].steps[0].drop[0]",
            "did you mean calm?",
        ),
        (
            "policies",
            [{"name": "p", "success": {"resolved": ["dome"]}}],
            "policies[0].success.resolved[0]",
            "no disposition 'dome'; did you mean done?",
        ),
        ("queues.0.skills", {"orders": 4}, "queues[0].skills.orders", "the best has level 3"),
        ("topics.0.skills", {"calm": 1}, "topics[0].skills.calm", "no agent has it"),
        ("agents.0.queues", ["orders"], "queues[1]", "no agent works on queue up"),
        ("agents.0.languages", {"nl": 5}, "queues[0]", "in en"),
        ("channels.0.cost", 5, "channels[0].cost", "more than the 4 units"),
        ("agents.0.capacity_units", 1, "agents[0].capacity_units", "cheapest channel"),
        ("queues.0.escalation_queue", "orders", "queues[0].escalation_queue", "orders -> orders"),
        ("agents.0.substitute", "ana", "agents[0].substitute", "did you mean anna?"),
        ("agents.0.substitute", "anna", "agents[0].substitute", "circle: anna -> anna"),
        (
            "channels.0.owner_absent.grace_s",
            5,
            "channels[0].owner_absent.grace_s",
            "less than the 6 of presence.stale_s",
        ),
    ],
)
def test_what_can_never_work_is_refused_with_the_path(
    path: str, value: object, field: str, says: str
) -> None:
    found = problems(put(small(), path, value))
    assert field in found, found
    assert says in found[field]


def test_policy_learns_success_as_it_says() -> None:
    said = {
        "mode": "active",
        "weight": 2.5,
        "explore": 0,
        "cycle_minutes": 60,
        "by": ["language", "topic"],
        "resolved": ["done"],
        "repeat_s": 0,
    }
    config = read(small(policies=[{"name": "p", "success": said}, {"name": "q"}]), ZONES)
    assert config.policies["p"].success == Success(
        Mode.ACTIVE, 2_500, 0, 60, ("topic", "language"), ("done",), 0
    )
    assert config.policies["q"].success == Success() == DEFAULT_POLICY.success
    assert Success().mode is Mode.NONE


def test_skills_that_nobody_combines_are_refused_unless_a_step_gives_way() -> None:
    bob = {
        "name": "bob",
        "skills": {"calm": 4},
        "languages": {"nl": 5, "en": 4},
        "capacity_units": 4,
    }
    tree = put(small(), "queues.0.skills", {"orders": 2, "calm": 2})
    tree["agents"].append(bob)
    assert "even after the last relaxing step" in problems(tree)["queues[0]"]
    tree["policies"] = [{"name": "p", "steps": [{"after_s": 60, "drop": ["calm"]}]}]
    read(put(tree, "queues.0.policy", "p"), ZONES)


def test_escalations_that_go_in_a_circle_are_told_once() -> None:
    tree = put(small(), "queues.0.escalation_queue", "up")
    found = problems(put(tree, "queues.1.escalation_queue", "orders"))
    assert [f for f in found if f.endswith("escalation_queue")] == ["queues[0].escalation_queue"]
    assert "orders -> up -> orders" in found["queues[0].escalation_queue"]


QUICK = {"queue_wait_s": 60}
SOON, LATE, LATER = {"at_fraction": 0.9}, {"after_breach_s": 60}, {"after_breach_s": 90}
BACK = "a ladder leads back to where it began: orders -> up -> orders"


@pytest.mark.parametrize(
    ("ladder", "path"),
    [
        ([SOON | {"hand_to": "up"}, LATE | {"hand_to": "orders"}], "ladder[1].hand_to"),
        ([SOON | {"hand_up": 1}, LATE | {"hand_to": "orders"}], "ladder[1].hand_to"),
    ],
)
def test_ladder_that_leads_back_is_told_with_the_rung_that_does(
    ladder: list[dict[str, Any]], path: str
) -> None:
    tree = small(sla=[{"name": "s", "targets": QUICK, "ladder": ladder}])
    tree = put(put(tree, "queues.0.escalation_queue", "up"), "queues.0.sla", "s")
    found = problems(put(tree, "queues.1.sla", "s"))
    assert found == {f"sla[0].{path}": BACK}


def test_ladders_of_two_policies_that_lead_back_by_an_escalation_are_told_with_its_key() -> None:
    first: dict[str, Any] = {"name": "s", "targets": QUICK, "when": {"queues": ["orders"]}}
    first["ladder"] = [SOON | {"hand_to": "up"}]
    ladders: dict[str, dict[str, Any]] = {
        "ladder[1].hand_up": {"ladder": [SOON | {"notify": True}, LATE | {"hand_up": 1}]},
        "ladder[1].hand_to": {"ladder": [SOON | {"notify": True}, LATE | {"hand_to": "up"}]},
    }
    for path, more in ladders.items():
        second = {"name": "u", "when": {"queues": ["up"]}, "targets": QUICK} | more
        tree = small(sla=[first, second])
        found = problems(put(tree, "queues.1.escalation_queue", "orders"))
        assert found == {f"sla[1].{path}": BACK}


def test_ladder_that_only_rises_leads_nowhere_back() -> None:
    rungs = [SOON | {"hand_up": 1}, LATE | {"hand_to": "up"}, LATER | {"hand_up": 3}]
    tree = small(sla=[{"name": "s", "targets": QUICK, "ladder": rungs}])
    tree = put(put(tree, "queues.0.escalation_queue", "up"), "queues.0.sla", "s")
    read(put(tree, "queues.1.sla", "s"), ZONES)


def test_substitutes_who_go_in_a_circle_are_told_once() -> None:
    tree = small()
    for name, other in (("bob", "cleo"), ("cleo", "dora"), ("dora", "bob"), ("emil", "bob")):
        tree["agents"].append({**tree["agents"][0], "name": name, "substitute": other})
    found = problems(put(tree, "agents.0.substitute", "bob"))
    assert list(found) == ["agents[1].substitute"]
    assert "bob -> cleo -> dora -> bob" in found["agents[1].substitute"]


def test_substitutes_follow_on_each_other() -> None:
    tree = put(small(), "agents.0.substitute", "bob")
    for name, other in (("bob", "cleo"), ("cleo", "dora")):
        tree["agents"].append({**tree["agents"][0], "name": name, "substitute": other})
    tree["agents"].append({**SMALL["agents"][0], "name": "dora"})
    stand_ins = read(tree, ZONES).stand_ins()
    assert list(stand_ins.after("anna")) == ["bob", "cleo", "dora"]
    assert list(stand_ins.after("dora")) == []


def test_what_becomes_of_a_case_without_its_owner_is_read_with_safe_defaults() -> None:
    config = read(SMALL, ZONES)
    assert config.owner_absent("chat") == OwnerAbsent(AbsentPolicy.REQUEUE, None)
    assert config.owner_absent("nowhere") == OwnerAbsent()
    kept = {"policy": "backup", "grace_s": 30, "backup_s": 90}
    chat = read(put(small(), "channels.0.owner_absent", kept), ZONES).owner_absent("chat")
    assert (chat.policy, chat.grace_s, chat.backup_s) == (AbsentPolicy.BACKUP, 30, 90)


def test_bounds_of_a_handoff_and_of_coming_back_are_read() -> None:
    plain = read(SMALL, ZONES)
    assert (plain.handoff.hops_max, plain.reopen_window_s) == (5, 7 * 86_400)
    tree = small(
        reopen_window_s=0,
        handoff={"hops_max": 3, "warm_max_s": 60, "consult_max_s": 90, "required": ["mood"]},
    )
    config = read(tree, ZONES)
    assert config.handoff == Handoff(60, (HandoffPart.MOOD,), 3, 60, 90)
    assert config.reopen_window_s == 0


def test_target_beyond_a_year_of_its_calendar_is_refused() -> None:
    rare = DAYTIME | {"weekly": {"monday": ["09:00-09:10"]}}
    aims = {"name": "slow", "calendar": "day", "targets": {"resolution_s": 36_000}}
    tree = put(small(calendars=[rare], sla=[aims]), "queues.0.sla", "slow")
    assert "more than a year" in problems(tree)["sla[0].targets.resolution_s"]


def test_parsing_alone_does_not_ask_whether_it_can_work() -> None:
    config = parse(put(small(), "queues.0.sla", "fast"), ZONES)
    assert isinstance(config, Config)


def test_overflow_is_read_and_means_nothing_where_it_is_not_said() -> None:
    tree = put(small(), "queues.0.overflow", {"to": "up", "waiting_max": 20, "when_closed": True})
    config = read(tree, ZONES)
    assert config.queues["orders"].overflow == Overflow("up", 20, when_closed=True)
    assert config.queues["up"].overflow is None


@pytest.mark.parametrize(
    ("rule", "path", "word"),
    [
        ({"to": "up"}, "queues[0].overflow.to", "takes nothing"),
        ({"waiting_max": 3}, "queues[0].overflow.to", ""),
        ({"to": "up", "waiting_max": -1}, "queues[0].overflow.waiting_max", ""),
        ({"to": "nowhere", "waiting_max": 3}, "queues[0].overflow.to", "there is no queue"),
        ({"to": "orders", "waiting_max": 3}, "queues[0].overflow.to", "orders -> orders"),
    ],
)
def test_overflow_that_takes_nothing_or_goes_nowhere_is_refused(
    rule: dict[str, Any], path: str, word: str
) -> None:
    found = problems(put(small(), "queues.0.overflow", rule))
    assert word in found[path]


def test_queues_that_overflow_in_a_circle_are_told_once() -> None:
    tree = put(small(), "queues.0.overflow", {"to": "up", "waiting_max": 3})
    found = problems(put(tree, "queues.1.overflow", {"to": "orders", "when_closed": True}))
    assert list(found) == ["queues[0].overflow.to"]
    assert "orders -> up -> orders" in found["queues[0].overflow.to"]


def test_round_is_one_unless_a_policy_says_up_to_five() -> None:
    tree = small(policies=[{"name": "alone"}, {"name": "several", "round": 5}])
    config = parse(tree, ZONES)
    assert [policy.round for policy in config.policies.values()] == [1, 5]


@pytest.mark.parametrize("wrong", [0, 6, -1, "three", 2.5, True])
def test_round_of_anything_else_is_refused_with_its_path(wrong: object) -> None:
    found = problems(small(policies=[{"name": "p"}, {"name": "q", "round": wrong}]))
    assert "policies[1].round" in found
