"""The load that a forecast puts on the agents, against figures worked out elsewhere."""

from typing import Any

import pytest

from tests.unit.linter.desk import config_of, desk
from toldonce.cli.linear import solve
from toldonce.kernel.config.linter import Finding, Rule, Severity, findings, load
from toldonce.kernel.config.linter.crew import Crew
from toldonce.kernel.config.linter.planning import Load, rates
from toldonce.kernel.config.linter.programme import left_over, utilisation
from toldonce.kernel.errors import Invalid


@pytest.mark.parametrize(
    ("arrivals", "mu", "sizes", "rho"),
    [
        ((4.2, 5.1, 6.3), 0.5, (12, 15), 1.156),
        ((5.3, 4.3, 5.2), 0.6, (18, 20), 0.649),
        ((3.2, 4.8, 4.8), 0.4, (9, 11), 1.600),
    ],
)
def test_three_types_and_two_groups_load_them_as_published(
    arrivals: tuple[float, ...], mu: float, sizes: tuple[float, ...], rho: float
) -> None:
    speeds = ((mu, 0.0), (mu, mu), (0.0, mu))
    assert utilisation(arrivals, speeds, sizes, solve)[0] == pytest.approx(rho, abs=5e-4)


def test_groups_of_different_speed_are_used_where_they_are_best() -> None:
    x_model = ((0.198, 0.162), (0.18, 0.18))
    assert utilisation((18, 1.8), x_model, (90, 14), solve)[0] == pytest.approx(0.977, abs=5e-4)
    lost = left_over((22, 2.2), x_model, (90, 14), solve)
    assert sum(lost) / 24.2 == pytest.approx(0.1608, abs=5e-5)


def test_prices_share_the_load_out_among_those_who_are_short() -> None:
    arrivals, speeds = (4.0, 1.0, 1.0), ((1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    rho, prices = utilisation(arrivals, speeds, (2, 8), solve)
    assert rho == pytest.approx(2.0)
    assert list(prices) == pytest.approx([0.5, 0.0, 0.0])


def test_what_can_be_carried_is_left_over_nowhere() -> None:
    assert left_over((1.0,), ((1.0,),), (1.5,), solve) == pytest.approx((0.0,))


def test_a_programme_without_a_solution_is_refused_with_a_sentence() -> None:
    with pytest.raises(Invalid, match="cannot be planned for"):
        utilisation((1.0,), ((0.0,),), (1.0,), solve)


def expecting(*contacts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return desk(forecast={"contacts": list(contacts), **more})


def planned(tree: dict[str, Any]) -> tuple[Load, list[Finding]]:
    config = config_of(tree)
    loaded = load(config, solve)
    assert loaded is not None
    said = findings(config, loaded)
    return loaded, [one for one in said if one.rule is Rule.LOAD]


def hourly(per_hour: int, **more: Any) -> dict[str, Any]:
    """Contacts of ten minutes for `desk`: six an hour keep one agent busy."""
    return {"queue": "desk", "per_hour": per_hour, "handle_s": 600} | more


def test_nothing_is_planned_without_a_forecast() -> None:
    assert load(config_of(desk()), solve) is None


@pytest.mark.parametrize(
    ("contact", "rho"),
    [
        (hourly(6), 0.5),
        (hourly(6, language="nl"), 1.0),
        (hourly(6, language="en"), 0.5),
        (hourly(6, queue="works"), 1.0),
        (hourly(6, concurrency=2), 0.25),
        (hourly(6, channel="chat"), 1 / 6),
        (hourly(6, channel="chat", concurrency=2), 0.25),
        (hourly(6, channel="chat", concurrency=9), 1 / 6),
        (hourly(6, queue="works", topic="part", handle_s=300), 0.5),
    ],
)
def test_who_can_take_it_and_how_much_at_once_makes_the_load(
    contact: dict[str, Any], rho: float
) -> None:
    assert planned(expecting(contact))[0].rho == pytest.approx(rho)


def test_only_those_who_are_there_carry() -> None:
    assert planned(expecting(hourly(3), present=0.25))[0].rho == pytest.approx(1.0)


def test_wrap_up_takes_time_too() -> None:
    tree = expecting(hourly(6))
    tree["queues"][0]["wrap_up_s"] = 300
    assert planned(tree)[0].rho == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("per_hour", "severity"), [(107, None), (108, Severity.WARNING), (119, Severity.WARNING)]
)
def test_a_load_near_what_can_be_carried_is_a_warning(
    per_hour: int, severity: Severity | None
) -> None:
    _, said = planned(expecting(hourly(per_hour, handle_s=60)))
    assert [one.severity for one in said] == ([severity] if severity else [])


def test_a_load_above_what_can_be_carried_is_an_error_that_says_where_and_how_much() -> None:
    loaded, said = planned(expecting(hourly(3), hourly(9, queue="works", language="nl")))
    assert loaded.rho == pytest.approx(1.5)
    assert loaded.short == (1,)
    assert loaded.left == ((1, pytest.approx(3.0)),)
    (one,) = said
    assert (one.severity, one.field) == (Severity.ERROR, "forecast")
    assert "the load is 1.50" in one.sentence
    assert "of 12 contacts an hour at least 3.0 are left over" in one.sentence
    assert one.sentence.endswith("too few can take queue works in nl")


def test_what_no_agent_can_take_is_an_error_of_its_own() -> None:
    loaded, said = planned(expecting(hourly(3), hourly(1, concurrency=1, topic="part")))
    assert loaded.nobody == ()
    tree = expecting(hourly(3), hourly(1, topic="part"))
    tree["agents"][0]["queues"] = ["works"]
    tree["agents"][1]["languages"]["nl"] = 4
    loaded, said = planned(tree)
    assert (loaded.nobody, loaded.rho) == ((1,), pytest.approx(0.5))
    assert [(one.severity, one.field) for one in said] == [(Severity.ERROR, "forecast.contacts[1]")]


def test_a_load_that_only_relaxing_carries_is_a_warning() -> None:
    tree = expecting(hourly(6, queue="works"), hourly(4))
    tree["queues"][1]["skills"] = {"parts": 2}
    tree["policies"][0]["steps"] = [{"after_s": 60, "drop": ["parts"]}]
    del tree["agents"][1]["queues"]
    tree["forecast"]["contacts"][0]["per_hour"] = 7
    loaded, _ = planned(tree)
    assert (loaded.rho, loaded.rho_plain) == (pytest.approx(11 / 12), pytest.approx(7 / 6))
    tree["forecast"]["contacts"][1]["per_hour"] = 3
    loaded, (one,) = planned(tree)
    assert one.severity is Severity.WARNING
    assert "1.17 of what the agents can carry before anything is relaxed, 0.83 after" in (
        one.sentence
    )


def test_the_load_makes_starving_by_units_a_warning() -> None:
    tree = expecting(hourly(5, queue="works"))
    tree["channels"].append({"name": "voice", "kind": "voice", "cost": 3, "queue": "desk"})
    config = config_of(tree)
    (one,) = [one for one in findings(config, load(config, solve)) if one.rule is Rule.STARVING]
    assert one.severity is Severity.NOTE
    tree["forecast"]["contacts"].append(hourly(6))
    config = config_of(tree)
    (one,) = [one for one in findings(config, load(config, solve)) if one.rule is Rule.STARVING]
    assert one.severity is Severity.WARNING


def test_agents_who_are_as_good_at_everything_are_one_column() -> None:
    tree = expecting(hourly(6), present=0.5)
    tree["agents"] += [tree["agents"][0] | {"name": f"anna{number}"} for number in range(5)]
    config = config_of(tree)
    assert rates(config, Crew(config), at_last=True) == (((6.0,),), (3.5,))
