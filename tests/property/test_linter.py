"""What the linter says of any configuration is what the rules of skills and units say."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toldonce.cli.linear import solve
from toldonce.kernel.config import Config, parse, read
from toldonce.kernel.config.linter import Rule, Severity, findings, load
from toldonce.kernel.config.linter.crew import Crew, works
from toldonce.kernel.config.linter.programme import left_over, utilisation
from toldonce.kernel.errors import Invalid
from toldonce.kernel.skills import meets, relaxed
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
QUEUES, LANGUAGES, SKILLS = ("one", "two"), ("nl", "en"), ("ask", "fix")

levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 4), max_size=2)
agents = st.fixed_dictionaries(
    {
        "skills": levels,
        "languages": st.dictionaries(st.sampled_from(LANGUAGES), st.just(3), min_size=1),
        "capacity_units": st.integers(1, 6),
        "queues": st.lists(st.sampled_from(QUEUES), unique=True),
    }
)
changes = st.fixed_dictionaries(
    {
        "lower_by": st.integers(0, 2),
        "drop": st.lists(st.sampled_from(SKILLS), max_size=1),
        "any_language": st.booleans(),
    }
).filter(lambda step: any(step.values()))
queues = st.fixed_dictionaries({"skills": levels, "priority": st.integers(0, 9)})
topics = st.fixed_dictionaries(
    {"skills": levels, "queue": st.sampled_from(QUEUES), "any_language": st.booleans()}
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    steps = draw(st.lists(changes, max_size=3))
    return {
        "version": 1,
        "languages": list(LANGUAGES),
        "skills": list(SKILLS),
        "channels": [
            {"name": f"c{cost}", "kind": "chat", "cost": cost, "queue": "one"}
            for cost in draw(st.lists(st.integers(1, 4), min_size=1, max_size=2, unique=True))
        ],
        "topics": [
            one | {"name": f"t{number}", "words": {}}
            for number, one in enumerate(draw(st.lists(topics, max_size=2)))
        ],
        "queues": [
            draw(queues) | {"name": name, "policy": "p", "dispositions": ["done"]}
            for name in QUEUES
        ],
        "policies": [
            {
                "name": "p",
                "steps": [one | {"after_s": 10 + at} for at, one in enumerate(steps)],
            }
        ],
        "agents": [
            one | {"name": f"a{number}"}
            for number, one in enumerate(draw(st.lists(agents, min_size=1, max_size=5)))
        ],
    }


@settings(max_examples=300, deadline=None)
@given(documents(), st.integers(0, 20))
def test_who_the_linter_thinks_able_is_who_meets_the_relaxed_requirement(
    tree: dict[str, Any], waited_s: int
) -> None:
    config = parse(tree, ZONES)
    crew = Crew(config)
    for work in works(config, Crew(config)):
        for _, asked in work.asks:
            wants = relaxed(asked, work.steps, waited_s)
            able = [one for one in config.agents.values() if meets(one, wants) is None]
            said = list(crew.of(crew.who(wants)))
            assert sum(kind.count for kind in said) == len(able)
            assert all(meets(kind.agent, wants) is None for kind in said)
            assert not crew.who(wants) & ~crew.at_last(asked, work.steps)


def _passed(tree: dict[str, Any]) -> Config | None:
    """Read a document that neither `lint` nor an error of the linter refuses."""
    try:
        config = read(tree, ZONES)
    except Invalid:
        return None
    errors = [one for one in findings(config) if one.severity is Severity.ERROR]
    return None if errors else config


@settings(max_examples=300, deadline=None)
@given(documents())
def test_work_of_a_passed_document_finds_somebody_with_the_units_in_the_end(
    tree: dict[str, Any],
) -> None:
    config = _passed(tree)
    if config is None:
        return
    late = {one.field for one in findings(config) if one.rule is Rule.UNSATISFIABLE}
    dearest = max(channel.cost for channel in config.channels.values())
    for work in works(config, Crew(config)):
        for _, asked in work.asks:
            wants = relaxed(asked, work.steps, 100)
            able = [one for one in config.agents.values() if meets(one, wants) is None]
            assert able
            if work.topic or work.queue == "one":
                assert any(one.capacity_units >= dearest for one in able)
            at_once = any(meets(one, asked) is None for one in config.agents.values())
            assert at_once or work.path in late


speeds = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=2, max_size=2).filter(any),
    min_size=2,
    max_size=2,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
    speeds,
    st.lists(st.integers(1, 9), min_size=2, max_size=2),
)
def test_something_is_left_over_exactly_when_the_load_is_above_one(
    arrivals: list[int], mu: list[list[float]], sizes: list[int]
) -> None:
    rho, prices = utilisation(arrivals, mu, sizes, solve)
    assert sum(p * a for p, a in zip(prices, arrivals, strict=True)) == pytest.approx(rho)
    lost = sum(left_over(arrivals, mu, sizes, solve))
    assert (lost > 1e-7) == (rho > 1 + 1e-7)
    relieved = [count / rho for count in arrivals]
    assert utilisation(relieved, mu, sizes, solve)[0] == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(documents(), st.integers(1, 40))
def test_any_forecast_is_planned_for(tree: dict[str, Any], per_hour: int) -> None:
    contacts = [
        {"queue": queue, "language": language, "per_hour": per_hour, "handle_s": 300}
        for queue in QUEUES
        for language in LANGUAGES
    ]
    config = parse(tree | {"forecast": {"contacts": contacts}}, ZONES)
    found = load(config, solve)
    assert found is not None
    assert found.rho >= 0
    assert (found.rho > 1 + 1e-7) == bool(found.left)
