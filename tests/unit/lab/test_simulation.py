"""The laboratory: its days obey arithmetic and its dice, whatever the policy."""

from dataclasses import replace

import pytest

from toldonce.kernel.errors import Invalid
from toldonce.lab.desk import Desk
from toldonce.lab.dice import dice
from toldonce.lab.estimate import estimates
from toldonce.lab.formulas import ErlangC
from toldonce.lab.picture import bars
from toldonce.lab.reading import read
from toldonce.lab.running import Plan, run
from toldonce.lab.scenario import Scenario, Shape, Spread
from toldonce.lab.suite import SUITE, Check, run_suite, shipped, text_of
from toldonce.lab.sums import Sums, figures
from toldonce.runtime.yaml_tree import load

SEED = 7


def scenario(name: str) -> Scenario:
    return read(load(text_of(name)))


def day(one: Scenario, policy: str, number: int = 0) -> Desk:
    desk = Desk(one, one.policies[policy], dice(one, SEED, number))
    desk.run()
    return desk


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_can_be_read_and_says_where_it_is_from(name: str) -> None:
    found = scenario(name)
    assert found.name == name
    assert found.source
    assert found.policies


@pytest.mark.parametrize("policy", ["fifo", "own-first", "shared-first", "longest-queue", "bent"])
def test_every_contact_of_a_day_has_exactly_one_end(policy: str) -> None:
    desk = day(scenario("s2"), policy)
    for tally in desk.seen:
        assert tally.came == len(tally.served) + len(tally.lost) + tally.blocked + tally.cleared
        assert tally.came > 500


def test_policies_are_compared_on_the_same_contacts() -> None:
    one = scenario("s2")
    came = {tuple(tally.came for tally in day(one, name).seen) for name in one.policies}
    work = {tuple(round(tally.work, 9) for tally in day(one, name).seen) for name in one.policies}
    assert len(came) == len(work) == 1


def test_same_seed_gives_the_same_day_and_another_a_different_one() -> None:
    one = scenario("s2")
    waits = [day(one, "fifo", number).seen[0].served for number in (3, 3, 4)]
    assert waits[0] == waits[1] != waits[2]


def test_contacts_of_a_type_are_served_in_the_order_in_which_they_came() -> None:
    one = scenario("s2")
    for policy in one.policies:
        desk = Desk(one, one.policies[policy], dice(one, SEED, 0))
        began: list[list[int]] = [[] for _ in one.types]
        take = desk._take  # noqa: SLF001

        def watch(made, began=began, desk=desk, take=take):
            contact = desk._waiting[made.customer]  # noqa: SLF001
            began[contact.type].append(contact.came_us)
            take(made)

        desk._take = watch  # type: ignore[method-assign] # noqa: SLF001
        desk.run()
        assert all(row == sorted(row) for row in began), policy


def test_total_abandonment_does_not_depend_on_a_rule_that_leaves_nobody_idle() -> None:
    """With equal rates for all (SCIENCE section 2) the number in the house has one law."""
    one = scenario("s2")
    shares = []
    for policy in ("fifo", "own-first", "shared-first", "longest-queue"):
        seen = [tally for number in range(2) for tally in day(one, policy, number).seen]
        shares.append(sum(len(t.lost) for t in seen) / sum(t.came for t in seen))
    assert max(shares) - min(shares) < 0.01


def test_one_more_agent_who_can_do_everything_never_hurts_much() -> None:
    one = scenario("s2")
    more = replace(one.groups[1], name="g2", agents=(1,), service=one.groups[0].service)
    larger = replace(one, groups=(*one.groups, more))
    for policy in ("fifo", "bent"):
        sums = [Sums(3, len(s.groups)) for s in (one, larger)]
        for number in range(2):
            sums[0].see(day(one, policy, number), 1.0)
            sums[1].see(day(larger, policy, number), 1.0)
        before, after = figures(sums[0], one), figures(sums[1], larger)
        assert after["J"] < 1.02 * before["J"], policy


def test_desk_without_hanging_up_waits_as_erlang_says() -> None:
    one = replace(scenario("s1-mmc-endless"), periods=(1_500.0,))
    (result,) = run([Plan(one, one.policies["fifo"], 8, SEED)], processes=1)
    exact = ErlangC(4.2, 0.5, 12)
    wait = result.figures["mean_wait"]
    assert abs(wait.value - exact.mean_wait) < 2 * wait.half_width


def test_agents_finish_what_they_have_before_they_leave() -> None:
    desk = day(scenario("s2"), "fifo")
    assert not desk._waiting  # noqa: SLF001
    assert desk.engine.waiting == 0


def test_dice_explain_part_of_a_figure_and_narrow_its_interval() -> None:
    one = scenario("s1-mmcab")
    groups = []
    for number in range(24):
        sums = Sums(1, 1)
        sums.see(day(one, "fifo", number), 1.0)
        groups.append(sums)
    found = estimates(groups, one)["in_target"]
    counts = [figures(group, one)["in_target"] for group in groups]
    mean = sum(counts) / 24
    plain = 2.07 * (sum((c - mean) ** 2 for c in counts) / 23 / 24) ** 0.5
    assert found.half_width < 0.75 * plain
    assert abs(found.plain - mean) < 1e-6


def test_known_policy_on_the_same_dice_corrects_a_figure() -> None:
    one = replace(scenario("s6"), periods=(800.0,), warm_up=100.0)
    keep, known = one.policies["keep-one-quick"], one.policies["shortest-first"]
    plans = [
        Plan(one, keep, 8, SEED),
        Plan(one, keep, 8, SEED, (known, "mean_wait", 2.560107)),
    ]
    alone, beside = (result.figures["mean_wait"] for result in run(plans, processes=1))
    assert beside.half_width < 0.6 * alone.half_width
    assert abs(beside.value - 2.504) < 3 * beside.half_width + 0.1


@pytest.mark.parametrize(
    ("shape", "first", "second"),
    [(Shape.EXPONENTIAL, 3.0, 0.0), (Shape.UNIFORM, 2.0, 6.0), (Shape.LOGNORMAL, 4.0, 1.5)],
)
def test_durations_have_the_mean_they_say(shape: Shape, first: float, second: float) -> None:
    spread = Spread(shape, first, second)
    row = dice(scenario("s1-mmc"), SEED, 0).work[0]
    drawn = [spread.at(row.next()) for _ in range(40_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(spread.mean, rel=0.03)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"periods": "long"}, "periods"),
        ({"periods": []}, "periods"),
        ({"periods": [10, 10], "warm_up": 5}, "periods"),
        ({"types": []}, "types"),
        ({"types": [{"name": "calls", "arrivals": -1}]}, "types[0].arrivals"),
        (
            {"types": [{"name": "calls", "arrivals": 1, "patience": {"quick": 1}}]},
            "types[0].patience",
        ),
        ({"groups": [{"name": "desk", "agents": 1, "service": {"mails": 1}}]}, "groups[0].service"),
        ({"policies": {}}, "policies"),
        ({"policies": {"x": {"calls": {"groups": {"nobody": {}}}}}}, "policies.x.calls"),
        ({"policies": {"x": {"calls": {"wait": "much"}}}}, "policies.x"),
        ({"figure": "luck"}, "figure"),
    ],
)
def test_scenario_that_cannot_be_is_refused_with_the_path_of_its_key(
    change: dict[str, object], path: str
) -> None:
    tree: dict[str, object] = dict(load(text_of("s1-mmc"))) | change  # type: ignore[call-overload]
    with pytest.raises(Invalid) as no:
        read(tree)
    assert any(problem.field.startswith(path) for problem in no.value.problems)


def test_suite_names_shipped_scenarios_and_policies_and_what_it_wants() -> None:
    for entry in SUITE:
        one = scenario(entry.file)
        assert entry.policy in one.policies
        assert entry.known is None or entry.known[0] in one.policies
        assert entry.checks
    assert {entry.scenario for entry in SUITE} == {f"S{number}" for number in range(1, 8)}


def test_check_fails_for_a_figure_outside_and_for_one_that_is_not_known_well_enough() -> None:
    from toldonce.lab.estimate import Estimate  # noqa: PLC0415

    check = Check("sl", 59.0, 100.0, 1.0, "at least 59")
    assert check.passed(Estimate(60.0, 0.5, 60.0))
    assert not check.passed(Estimate(58.9, 0.5, 58.9))
    assert not check.passed(Estimate(60.0, 1.5, 60.0))


def test_suite_reports_what_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from toldonce.lab import suite  # noqa: PLC0415

    hopeless = replace(
        next(entry for entry in SUITE if entry.file == "s1-mmcab"),
        replications=8,
        checks=(Check("sl", 99.9, 100.0, 100.0, "nearly all"),),
    )
    monkeypatch.setattr(suite, "SUITE", (hopeless,))
    monkeypatch.setattr(suite, "ADAPTIVE_SUITE", ())
    report = run_suite(lambda text: read(load(text)), processes=1)
    assert report["failed"] == 1
    assert not report["scenarios"]["S1"]["passed"]  # type: ignore[index]


def test_picture_holds_a_bar_for_each_policy() -> None:
    drawn = bars("S2 <J>", [("fifo", 1000.0, 10.0), ("bent", 750.0, 5.0)])
    assert drawn.startswith("<svg")
    assert drawn.count("<rect") == 3
    assert "&lt;J&gt;" in drawn
