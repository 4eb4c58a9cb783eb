"""Documents that nobody can mean: calendars, targets and ways that can never work.

The same list is refused by `toldonce check` and by the service, each with the path of the key.
"""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from tests.unit.linter.desk import desk

OFFICE: dict[str, Any] = {
    "name": "office",
    "zone": "Europe/Amsterdam",
    "weekly": {"monday": ["09:00-12:00", "13:00-17:00"]},
}
MONDAYS = [(date(2020, 1, 6) + timedelta(weeks=n)).isoformat() for n in range(2_000)]
FAST: dict[str, Any] = {"name": "fast", "targets": {"queue_wait_s": 60}}

type Wrong = tuple[str, dict[str, Any], str, str]  # what, document, path, a part of the sentence


def text(tree: dict[str, Any]) -> str:
    """Write a document (JSON is YAML)."""
    return json.dumps(tree)


def right() -> dict[str, Any]:
    """The document that is spoiled below: there is nothing wrong with it."""
    tree = desk(calendars=[OFFICE], sla=[FAST])
    tree["queues"][0] |= {"sla": "fast", "calendar": "office"}
    return tree


def impossible() -> Iterator[Wrong]:
    """Give every kind of impossible document."""
    yield from _calendars()
    yield from _targets()
    yield from _ways()


def _calendars() -> Iterator[Wrong]:
    def office(what: str, key: str, says: str, **changes: Any) -> Wrong:
        tree = right() | {"calendars": [OFFICE | changes]}
        return what, tree, f"calendars[0].{key}", says

    def monday(what: str, index: int, says: str, *hours: str) -> Wrong:
        return office(what, f"weekly.monday[{index}]", says, weekly={"monday": list(hours)})

    yield office("no open time", "weekly", "no open time", weekly={})
    yield office("no hours on any day", "weekly", "no open time", weekly={"monday": []})
    shut = [{"date": on, "open": []} for on in MONDAYS]
    yield office("every day excepted", "weekly", "no open time left", exceptions=shut)
    yield office("every day a holiday", "weekly", "no open time left", holidays=MONDAYS)
    yield monday("overlapping", 1, "overlaps", "09:00-12:00", "11:59-13:00")
    yield monday("the same twice", 1, "overlaps", "09:00-12:00", "09:00-12:00")
    yield monday("one inside another", 0, "overlaps", "10:00-11:00", "09:00-12:00")
    yield monday("inverted", 0, "open before it closes", "17:00-09:00")
    yield monday("of no length", 0, "open before it closes", "09:00-09:00")
    yield monday("over midnight", 0, "open before it closes", "22:00-24:30")
    yield office(
        "inverted exception",
        "exceptions[0].open[0]",
        "open before it closes",
        exceptions=[{"date": "2027-01-04", "open": ["12:00-09:00"]}],
    )
    yield office(
        "overlapping exception",
        "exceptions[0].open[1]",
        "overlaps",
        exceptions=[{"date": "2027-01-04", "open": ["09:00-12:00", "10:00-11:00"]}],
    )
    for zone, guess in (
        ("Europe/Amsterdm", "did you mean Europe/Amsterdam?"),
        ("europe/amsterdam", "did you mean Europe/Amsterdam?"),
        ("Amsterdam", "did you mean Europe/Amsterdam?"),
        ("Europe/New York", "did you mean America/New_York?"),
        ("Mars/Olympus", "one is Europe/Amsterdam"),
    ):
        yield office(f"zone {zone}", "zone", guess, zone=zone)
    for sets, path, says in (
        ([{"country": "XQZ"}], "country", "no country"),
        ([{"country": "DE", "region": "BZ"}], "region", "did you mean"),
    ):
        yield office(f"holidays of {sets[0]}", f"holiday_sets[0].{path}", says, holiday_sets=sets)


def _targets() -> Iterator[Wrong]:
    def fast(what: str, key: str, says: str, **changes: Any) -> Wrong:
        return what, right() | {"sla": [FAST | changes]}, f"sla[0].{key}", says

    for key in ("queue_wait_s", "first_response_s", "next_response_s", "resolution_s"):
        for seconds in (0, -1):
            says = "from 1 to"
            yield fast(f"{key} {seconds}", f"targets.{key}", says, targets={key: seconds})
    for fraction in (0, 1, -0.5, 1.5, 80):
        says = "above 0 and below 1"
        yield fast(f"warn at {fraction}", "warn_fraction", says, warn_fraction=fraction)


def _ways() -> Iterator[Wrong]:
    def goes(name: str, to: str) -> dict[str, Any]:
        return FAST | {"name": name, "on_breach": {"escalate_to": to}}

    tree = right() | {"sla": [goes("fast", "works"), goes("slow", "desk")]}
    tree["queues"][1]["sla"] = "slow"
    path = "sla[0].on_breach.escalate_to"
    yield "escalations by policy", tree, path, "desk -> works -> desk"

    tree = right() | {"sla": [FAST, goes("slow", "desk")]}
    tree["queues"][0]["escalation_queue"] = "works"
    tree["queues"][1]["sla"] = "slow"
    path = "queues[0].escalation_queue"
    yield "escalations by policy and queue", tree, path, "desk -> works -> desk"

    tree = right()
    tree["queues"] += [{"name": "third", "dispositions": ["done"]}]
    for index, to in enumerate(("works", "third", "desk")):
        tree["queues"][index]["escalation_queue"] = to
    yield "escalations over three", tree, path, "desk -> works -> third -> desk"

    tree = right()
    tree["queues"][1]["escalation_queue"] = "works"
    yield "escalation to itself", tree, "queues[1].escalation_queue", "works -> works"

    tree = right()
    for index, to in enumerate(("works", "desk")):
        tree["queues"][index]["overflow"] = {"to": to, "waiting_max": 5}
    yield "overflows", tree, "queues[0].overflow.to", "desk -> works -> desk"
