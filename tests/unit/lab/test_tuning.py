"""Tuning: the search is blind to luck, and a rule stays until it is surely beaten."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from toldonce.cli.main import main
from toldonce.kernel.config.weighing import MILLI, Weighing, Weights
from toldonce.kernel.errors import Invalid
from toldonce.lab import tuning
from toldonce.lab.estimate import beside, whole
from toldonce.lab.knobs import Knobs, tree_of
from toldonce.lab.picture import lines
from toldonce.lab.reading import read, read_policies
from toldonce.lab.running import Plan, Result, run
from toldonce.lab.scenario import Policy, Scenario
from toldonce.lab.search import Search, size_for
from toldonce.lab.starts import Starts
from toldonce.lab.suite import shipped, text_of
from toldonce.lab.sums import figures
from toldonce.lab.tuning import Effort, End, Tuned, Tuner
from toldonce.runtime.yaml_tree import dump, load

SEED = 7

# one agent, and work of two very different lengths
UNEVEN = """
name: uneven
source: made up
figure: mean_wait
periods: 120
types:
  - {name: quick, arrivals: 1.1, within: 1, goal: 80}
  - {name: slow, arrivals: 0.15, within: 1, goal: 80}
groups:
  - {name: desk, agents: 1, service: {quick: {exponential: 0.5}, slow: {exponential: 3}}}
policies:
  slow-first: {slow: {base: 5}}
  quick-first: {quick: {base: 100}}
"""


@pytest.fixture(autouse=True)
def _little_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "CHOICE", 2)
    monkeypatch.setattr(tuning, "PROOF", 12)


def scenario(name: str) -> Scenario:
    return read(load(text_of(name)))


def uneven() -> Scenario:
    return read(load(UNEVEN))


def effort(**changed: object) -> Effort:
    small = Effort(evaluations=30, starts=1, minutes=10, hours=3, seed=3, processes=1)
    return replace(small, **changed)  # type: ignore[arg-type]


def tuned(rules: tuple[str, ...], clock: Callable[[], float] = lambda: 0.0, **changed) -> Tuned:
    one = uneven()
    return Tuner(one, [one.policies[name] for name in rules], effort(**changed), clock).run()


# ---- the search


def _found(seed: int, noise: float, evaluations: int) -> float:
    """Say which share of the way to the least value of a noisy quadratic is left."""
    dice = np.random.default_rng(seed)
    goal, steep = dice.normal(0, 1, 20), np.exp(dice.normal(0, 1, 20))
    search = Search(np.zeros(20), 0.5, (seed,), size_for(20))

    def away(at: np.ndarray) -> float:
        return float((((at - goal) * steep) ** 2).sum())

    for _ in range(evaluations // size_for(20)):
        values = [away(one) + noise * dice.standard_normal() for one in search.ask()]
        search.tell(sorted(range(len(values)), key=values.__getitem__))
    return away(search.mean) / away(np.zeros(20))


def test_search_comes_near_the_least_of_a_noisy_figure() -> None:
    left = [_found(seed, 1.0, 200) for seed in range(20)]
    assert float(np.median(left)) < 0.15
    assert max(left) < 0.5


def test_search_with_the_same_seed_asks_the_same() -> None:
    def asked(seed: int) -> list[list[float]]:
        search = Search(np.zeros(3), 0.5, (seed,), 6)
        found = []
        for _ in range(4):
            found += [one.tolist() for one in search.ask()]
            search.tell([5, 0, 3, 1, 2, 4])
        return found

    assert asked(1) == asked(1) != asked(2)


# ---- weights as numbers


@pytest.mark.parametrize("name", shipped())
def test_knobs_write_a_rule_back_as_it_was_where_nothing_of_it_is_far_out(name: str) -> None:
    one = scenario(name)
    for rule in one.policies.values():
        knobs = Knobs(one, rule, ("wait",))
        again = knobs.policy("again", knobs.start())
        for group in one.groups:
            for type_ in group.service:
                before = rule.weigh[type_].of(group.name)
                after = again.weigh[type_].of(group.name)
                near = pytest.approx(before.wait, rel=1e-6, abs=1)
                assert replace(after, wait=before.wait) == before
                assert after.wait == near or abs(after.wait) < abs(before.wait)


def test_knobs_turn_what_is_named_and_nothing_else() -> None:
    one = scenario("s5-b")
    rule = one.policies["adaptive"]
    knobs = Knobs(one, rule, ("spare", "queue"))
    moved = knobs.policy("moved", knobs.start() + 1.0)
    for type_, weighing in rule.weigh.items():
        for group in ("g0", "g1"):
            after = moved.weigh[type_].of(group)
            assert after.spare > 0 < after.queue
            assert replace(after, spare=0, queue=0) == weighing.everybody


def test_knobs_never_let_the_younger_of_a_type_go_first_nor_leave_the_bounds() -> None:
    one = scenario("s2")
    knobs = Knobs(one, one.policies["bent"], ("base", "wait", "in_time"))
    for far in (-1e9, 1e9):
        policy = knobs.policy("far", np.full(knobs.start().size, far))
        again = read_policies(load(dump({"far": tree_of(policy)})), one)["far"]
        assert again.weigh == policy.weigh
        for weighing in policy.weigh.values():
            assert weighing.within_ms == 20_000
            assert all(one.wait >= 0 <= one.in_time for one in weighing.groups.values())


def test_knobs_leave_out_what_lifts_every_pair_alike() -> None:
    """In `bent` every base is near 100 000 points; what counts is by how much they differ."""
    one = scenario("s2")
    knobs = Knobs(one, one.policies["bent"])
    moved = knobs.policy("moved", knobs.start() + 0.1)
    assert np.abs(knobs.start()).max() < 3.8
    for type_, weighing in one.policies["bent"].weigh.items():
        for group, weights in moved.weigh[type_].groups.items():
            assert abs(weights.base - weighing.of(group).base) < 100 * MILLI


@pytest.mark.parametrize("term", ["fit", "beauty"])
def test_knobs_refuse_a_term_that_means_nothing(term: str) -> None:
    one = scenario("s2")
    with pytest.raises(Invalid) as no:
        Knobs(one, one.policies["fifo"], (term,))
    assert no.value.problems[0].field == "--term"


def test_knobs_refuse_more_weights_than_a_search_can_turn() -> None:
    one = scenario("s4")
    with pytest.raises(Invalid, match="name fewer terms"):
        Knobs(one, one.policies["fifo"])


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_policy_is_written_so_that_it_is_read_back(name: str) -> None:
    one = scenario(name)
    written = dump({rule.name: tree_of(rule) for rule in one.policies.values()})
    assert read_policies(load(written), one) == one.policies


# ---- several starts


def test_starts_give_up_the_worst_and_the_rest_go_on() -> None:
    one = scenario("s5-b")
    rules = [Knobs(one, one.policies[name], ("base",)) for name in ("weighed", "own-first")]
    starts = Starts(rules, 3, 60, SEED)
    alive = []
    for _ in range(8):
        asked = starts.ask()
        names = dict.fromkeys(policy.name for policy in asked)
        alive.append([*names])
        worth = {"search-0": 2.0, "search-1": 9.0, "search-2": 1.0}
        starts.tell([(worth[policy.name] + place,) for place, policy in enumerate(asked)])
    assert alive[0] == ["search-0", "search-1", "search-2"]
    assert alive[-1] in (["search-0"], ["search-2"])
    assert all("search-1" not in names for names in alive[2:])
    assert len(starts.ends()) == 2


def test_starts_that_were_never_told_have_found_nothing() -> None:
    one = scenario("s5-b")
    starts = Starts([Knobs(one, one.policies["fifo"])], 9, 60, SEED)
    assert len(starts) == 3
    starts.ask()
    assert starts.ends() == []


# ---- days of luck


def test_luck_of_the_days_is_taken_out_by_a_rule_that_is_known() -> None:
    one = uneven()
    rules = [one.policies[name] for name in ("slow-first", "quick-first")]
    known_well, wanted = (whole(run([Plan(one, rule, 48, 99)], 1)[0].groups) for rule in rules)
    exact = figures(wanted, one)
    off = []
    for seed in range(4):
        few = [whole(run([Plan(one, rule, 8, seed)], 1)[0].groups) for rule in rules]
        plain, corrected = figures(few[1], one), figures(beside(few[1], few[0], known_well), one)
        off.append([abs(found["sl"] - exact["sl"]) for found in (plain, corrected)])
        assert corrected["came"] == pytest.approx(exact["came"])
        assert 0 < corrected["p99_min"] < 60
    plain_off, corrected_off = np.array(off).mean(axis=0)
    assert corrected_off < 0.6 * plain_off


# ---- the whole of it


def test_tuner_finds_what_a_bad_rule_misses_and_proves_it() -> None:
    found = tuned(("slow-first",))
    assert found.better
    assert found.found is not None
    assert found.ended is End.EVALUATIONS
    assert found.evaluations <= 30
    assert found.found.figures["mean_wait"].value < 0.9 * found.rule.figures["mean_wait"].value
    off = found.differences["mean_wait"]
    assert off.value + off.half_width < 0
    assert found.policy.weigh != found.written.weigh


def test_tuner_keeps_the_hand_rule_where_nothing_beats_it() -> None:
    """With one agent, short work first is best of all rules that do not interrupt (Cox 1961)."""
    found = tuned(("slow-first", "quick-first"))
    assert found.rule.policy == found.written.name == "quick-first"
    assert not found.better
    off = found.differences["mean_wait"]
    assert off.value + off.half_width >= 0


def test_tuner_with_the_same_seed_finds_the_same_with_any_number_of_processes() -> None:
    short = {"evaluations": 10, "hours": 2}
    one, same, other = (
        tuned(("slow-first",), processes=processes, seed=seed, **short)
        for processes, seed in ((1, 3), (2, 3), (1, 4))
    )
    assert one.policy == same.policy != other.policy
    assert one.differences == same.differences


def test_tuner_proves_on_days_that_nothing_was_chosen_by(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[set[int]] = []

    def watched(plans, *rest):
        seeds.append({plan.seed for plan in plans})
        return run(plans, *rest)

    monkeypatch.setattr(tuning, "run", watched)
    tuned(("slow-first",), evaluations=20, hours=2)
    assert all(len(days) == 1 for days in seeds)  # the same for all who are compared
    rules, *searched, choice, proof = seeds
    assert rules == choice
    assert proof not in (rules, *searched)
    assert len({day for days in searched for day in days}) == len(searched)


def test_tuner_stops_in_time_for_the_proof() -> None:
    passed = iter(float(minute) * 60 for minute in range(1_000))
    found = tuned(("slow-first",), lambda: next(passed), evaluations=1_000, minutes=22, hours=2)
    assert found.ended is End.MINUTES
    assert found.rounds
    assert found.evaluations < 1_000
    assert found.differences


def _interrupted(
    monkeypatch: pytest.MonkeyPatch, *calls: int
) -> tuple[list[int], Callable[..., list[Result]]]:
    made: list[int] = []

    def once(plans, *rest):
        made.append(len(plans))
        if len(made) in calls:
            raise KeyboardInterrupt
        return run(plans, *rest)

    monkeypatch.setattr(tuning, "run", once)
    return made, once


def test_tuner_who_is_interrupted_proves_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = _interrupted(monkeypatch, 4)  # rules, two generations, and in the third
    found = tuned(("slow-first",), evaluations=200)
    assert found.ended is End.ASKED
    assert len(found.rounds) == 2
    assert len(made) == 6
    assert found.differences
    assert found.better


def test_tuner_who_is_interrupted_twice_leaves_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    _interrupted(monkeypatch, 4, 6)
    found = tuned(("slow-first",), evaluations=200, hours=2)
    assert found.ended is End.ASKED
    assert not found.better
    assert not found.differences
    assert found.written.name == "slow-first"


def test_tuner_who_is_interrupted_at_once_has_nothing_to_prove(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, _ = _interrupted(monkeypatch, 2)
    found = tuned(("slow-first",), hours=2)
    assert len(made) == 2
    assert found.found is None
    assert not found.better


# ---- the command


def _told(given: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(given)
    said = capsys.readouterr()
    return int(str(ended.value)), said.out, said.err


def test_tune_writes_a_policy_that_simulate_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day, policy, chart = (tmp_path / name for name in ("day.yaml", "tuned.yaml", "how.svg"))
    day.write_text(UNEVEN)
    given = ["tune", str(day), "--policy", "slow-first", "--evaluations", "30", "--hours", "3"]
    given += ["--seed", "3", "--processes", "1", "--starts", "2", "--minutes", "10"]
    given += ["--out", str(policy), "--chart", str(chart), "--json"]
    code, out, err = _told(given, capsys)
    report = json.loads(out)
    assert (code, report["better"], report["ended"]) == (0, True, "evaluations")
    assert report["difference"]["mean_wait"]["value"] < 0
    assert "evaluations: mean_wait" in err
    assert "Better than slow-first" in err
    assert load(policy.read_text()) == {"tuned": report["policy"]}
    assert chart.read_text().count("<polyline") == 2
    given = ["simulate", str(day), "--policy", str(policy), "--policy", "slow-first"]
    code, out, _ = _told([*given, "--replications", "60", "--processes", "1", "--json"], capsys)
    tried = json.loads(out)["policies"]
    waits = {name: one["figures"]["mean_wait"]["value"] for name, one in tried.items()}
    assert code == 0
    assert waits["tuned"] < waits["slow-first"]


def test_tune_says_that_the_rule_stays_and_ends_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day, policy = tmp_path / "day.yaml", tmp_path / "best.yaml"
    day.write_text(UNEVEN)
    given = ["tune", str(day), "--policy", "quick-first", "--evaluations", "10", "--hours", "2"]
    code, out, _ = _told([*given, "--processes", "1", "--out", str(policy)], capsys)
    assert code == 0
    assert "quick-first stays: what was found is not surely better" in out
    assert list(load(policy.read_text())) == ["quick-first"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["nowhere"], "SCENARIO: nowhere is no file and none of those shipped"),
        (["s2", "--policy", "best"], "--policy: best is none of fifo"),
        (["s2", "--term", "luck"], "--term: luck is none of base"),
        (["s4"], "--term: 5 terms for 60 pairs"),
        (["s2", "--figure", "luck"], "--figure"),
        (["s2", "--evaluations", "3"], "--evaluations"),
        (["s2", "--minutes", "0"], "--minutes"),
        (["s2", "--out", "/nowhere/policy.yaml"], "--out: /nowhere/policy.yaml cannot be written"),
        (["s2", "--chart", "/"], "--chart: / cannot be written"),
        ([], "SCENARIO"),
    ],
)
def test_tune_refuses_what_cannot_be_before_anything_is_simulated(
    given: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = _told(["tune", *given], capsys)
    assert code == 2
    assert wanted in err
    assert not out


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "wanted keys and values"),
        ("{}", "at least one policy"),
        ("mine: {nobody: {}}", "mine.nobody: is an unknown key"),
        ("mine: {t1: {groups: {g9: {}}}}", "mine.t1: weighs the group g9"),
        ("fifo: {t1: {base: 5}}", "--policy: two policies are called fifo"),
    ],
)
def test_file_of_policies_that_do_not_fit_is_refused_with_the_path(
    text: str, wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(text)
    given = ["simulate", "s2", "--policy", "fifo", "--policy", str(file)]
    code, _, err = _told(given, capsys)
    assert code == 2
    assert wanted in err


def test_policy_that_is_written_for_people_says_only_what_differs() -> None:
    weighing = Weighing(Weights(wait=MILLI), {"g0": Weights(wait=MILLI, spare=2_500)})
    assert tree_of(Policy("x", {"calls": weighing})) == {
        "calls": {"wait": 1.0, "groups": {"g0": {"spare": 2.5}}}
    }


def test_picture_of_a_tuning_holds_a_line_for_each_row() -> None:
    drawn = lines("S5 <F>", [10, 20, 30], {"rule": [3, 3, 3], "best & last": [4, 2, 1]})
    assert drawn.count("<polyline") == 2
    assert "&lt;F&gt;" in drawn
    assert "best &amp; last" in drawn
