"""What a company aims at, as it writes it: read into policies, or refused with the key's path."""

import pytest

from tests.aims import DOCUMENT, LADDER, ZONES, aims
from toldonce.kernel.clocks import BREACH, WARN, ClockKind, Moment
from toldonce.kernel.config import Config
from toldonce.kernel.config.aims import RUNGS_MAX, Rung, SlaPolicy
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.types import PauseCause
from toldonce.runtime.document import check

WAIT, FIRST = ClockKind.QUEUE_WAIT, ClockKind.FIRST_RESPONSE
NEXT, DONE = ClockKind.NEXT_RESPONSE, ClockKind.RESOLUTION
CUSTOMER, HOLD = PauseCause.CUSTOMER, PauseCause.HOLD


def policy(more: str) -> SlaPolicy:
    return aims(more=more).sla["all"]


def problems(more: str) -> dict[str, str]:
    """Give what is refused: the path of each key, and why."""
    with pytest.raises(Invalid) as caught:
        aims(more=more)
    return {problem.field: problem.sentence for problem in caught.value.problems}


# ---- the ladder


def test_ladder_is_read_rung_by_rung() -> None:
    assert policy(LADDER).ladder == (
        Rung(at_permille=750, raise_priority_by=50, widen=True, notify=True),
        Rung(after_s=5, hands=True, tiers=1),
        Rung(after_s=10, page=True),
    )


def test_moments_of_a_clock_come_in_the_order_of_their_time() -> None:
    said = policy(LADDER).stages(FIRST)
    assert said == (
        (WARN, 60.0),
        (Moment(1), 90.0),
        (BREACH, 120.0),
        (Moment(2), 125.0),
        (Moment(3), 130.0),
    )


def test_what_comes_at_one_instant_comes_warning_first_then_breach_then_rungs() -> None:
    more = "ladder: [{at_fraction: 0.5, notify: true}, {after_breach_s: 0, page: true}]"
    assert [str(moment) for moment, _ in policy(more).stages(WAIT)] == [
        *("WARN", "RUNG1", "BREACH", "RUNG2")
    ]


def test_rung_for_some_clocks_is_none_of_the_others() -> None:
    made = policy("ladder: [{after_breach_s: 5, clocks: [resolution], notify: true}]")
    assert len(made.stages(DONE)) == 3
    assert len(made.stages(WAIT)) == 2


def test_clock_without_a_target_has_no_moments() -> None:
    assert policy("ladder: []").stages(ClockKind.COMMITMENT) == ()


def test_short_form_is_a_ladder_of_one_rung() -> None:
    made = policy("on_breach: {raise_priority_by: 7, escalate_after_s: 20, escalate_to: returns}")
    (only,) = made.ladder
    assert (only.after_s, only.hands, only.hand_to) == (20, True, "returns")
    assert (made.raise_priority_by, made.escalates) == (7, only)


RUNG = "sla[0].ladder[0]"


@pytest.mark.parametrize(
    ("ladder", "path", "sentence"),
    [
        ("{notify: true}", f"{RUNG}.at_fraction", "either at_fraction or after_breach_s"),
        (
            "{at_fraction: 0.5, after_breach_s: 1, notify: true}",
            f"{RUNG}.at_fraction",
            "either at_fraction or after_breach_s",
        ),
        ("{at_fraction: 0, notify: true}", f"{RUNG}.at_fraction", "above 0 and below 1"),
        ("{at_fraction: 1, notify: true}", f"{RUNG}.at_fraction", "above 0 and below 1"),
        ("{at_fraction: half, notify: true}", f"{RUNG}.at_fraction", "wanted a fraction"),
        ("{after_breach_s: -1, notify: true}", f"{RUNG}.after_breach_s", "whole number"),
        ("{after_breach_s: 1.5, notify: true}", f"{RUNG}.after_breach_s", "whole number"),
        ("{after_breach_s: 1}", f"{RUNG}.after_breach_s", "does nothing"),
        ("{at_fraction: 0.5, notify: false}", f"{RUNG}.at_fraction", "does nothing"),
        ("{after_breach_s: 1, notify: yes-please}", f"{RUNG}.notify", "true or false"),
        ("{after_breach_s: 1, raise_priority_by: 1001}", f"{RUNG}.raise_priority_by", "1000"),
        ("{after_breach_s: 1, hand_up: 0}", f"{RUNG}.hand_up", "1 to 9"),
        ("{after_breach_s: 1, hand_up: 10}", f"{RUNG}.hand_up", "1 to 9"),
        ("{after_breach_s: 1, hand_to: nowhere}", f"{RUNG}.hand_to", "nowhere"),
        ("{after_breach_s: 1, hand_to: 7}", f"{RUNG}.hand_to", "wanted 1 to 63"),
        ("{after_breach_s: 1, hand_to: returns, hand_up: 1}", f"{RUNG}.hand_up", "either hand_to"),
        (
            "{after_breach_s: 1, notify: true, clocks: [wait]}",
            f"{RUNG}.clocks[0]",
            "wanted one of queue_wait",
        ),
        ("{after_breach_s: 1, notify: true, clocks: all}", f"{RUNG}.clocks", "wanted a list"),
        ("{after_breach: 1, notify: true}", f"{RUNG}.after_breach", "did you mean"),
        ("soon", RUNG, "wanted keys and values"),
        (
            "{after_breach_s: 9, page: true}, {after_breach_s: 5, page: true}",
            "sla[0].ladder[1].after_breach_s",
            "comes before a lower rung",
        ),
        (
            "{after_breach_s: 0, page: true}, {at_fraction: 0.9, page: true}",
            "sla[0].ladder[1].at_fraction",
            "comes before a lower rung",
        ),
        (
            "{at_fraction: 0.9, page: true}, {at_fraction: 0.8, clocks: [resolution], page: true}",
            "sla[0].ladder[1].at_fraction",
            "comes before a lower rung",
        ),
    ],
)
def test_rung_that_means_nothing_is_refused(ladder: str, path: str, sentence: str) -> None:
    found = problems(f"ladder: [{ladder}]")
    assert sentence in found[path]


def test_rungs_of_different_clocks_may_come_in_any_order() -> None:
    late = "{after_breach_s: 9, clocks: [resolution], page: true}"
    early = "{at_fraction: 0.1, clocks: [queue_wait, first_response], page: true}"
    assert len(policy(f"ladder: [{late}, {early}, {late}]").ladder) == 3


def test_more_rungs_than_a_mark_has_room_for_are_refused() -> None:
    rung = "{after_breach_s: 1, notify: true}"
    assert len(policy(f"ladder: [{', '.join([rung] * RUNGS_MAX)}]").ladder) == RUNGS_MAX
    found = problems(f"ladder: [{', '.join([rung] * (RUNGS_MAX + 1))}]")
    assert f"at most {RUNGS_MAX}" in found["sla[0].ladder"]


def test_ladder_beside_its_short_form_is_refused() -> None:
    more = "on_breach: {escalate_after_s: 20}\n    ladder: [{after_breach_s: 1, page: true}]"
    assert "say it there" in problems(more)["sla[0].on_breach.escalate_after_s"]


def test_rung_for_a_clock_that_has_no_target_is_refused() -> None:
    more = (
        "ladder: []\n  - {name: two, targets: {queue_wait_s: 1}, "
        "ladder: [{after_breach_s: 1, clocks: [resolution], page: true}]}"
    )
    assert "no target" in problems(more)["sla[1].ladder[0].clocks"]


# ---- which work

TWO = "ladder: []\n  - {name: two, targets: {queue_wait_s: 1}, when: WHEN}"


def test_policy_that_says_nothing_of_its_work_holds_where_a_queue_names_it() -> None:
    config = aims()
    assert config.sla["all"].when is None
    assert config.sla_for("orders", "chat", 0, "") is config.sla["all"]
    assert config.sla_for("escalations", "chat", 0, "") is None


def test_policy_whose_work_is_anything_holds_for_everything_before_the_queues_own() -> None:
    config = aims(more=TWO.replace("WHEN", "{}"))
    assert config.sla_for("orders", "chat", 0, "") is config.sla["two"]
    assert config.sla_for("unknown", "unknown", 0, "") is config.sla["two"]


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("{channels: [chat]}", {"orders chat 100 gold", "returns chat 100 "}),
        ("{queues: [returns]}", {"returns chat 100 ", "returns mail 600 gold"}),
        ("{customer_tiers: [gold]}", {"orders chat 100 gold", "returns mail 600 gold"}),
        ("{priority_min: 101}", {"returns mail 600 gold"}),
        ("{priority_max: 100}", {"orders chat 100 gold", "returns chat 100 "}),
        ("{priority_min: 100, priority_max: 100, queues: [orders]}", {"orders chat 100 gold"}),
        ("{queues: [orders], customer_tiers: [silver]}", set()),
    ],
)
def test_policy_holds_for_the_work_that_fits_all_it_says(when: str, fits: set[str]) -> None:
    more = TWO.replace("WHEN", when) + "\ncustomer_tiers: [gold, silver]"
    found = aims(more=more).sla["two"].when
    assert found is not None
    kinds = ["orders chat 100 gold", "returns chat 100 ", "returns mail 600 gold"]
    asked = [(kind, kind.split(" ")) for kind in kinds]
    assert fits == {
        kind
        for kind, (queue, channel, priority, tier) in asked
        if found.fits(queue, channel, int(priority), tier)
    }


@pytest.mark.parametrize(
    ("when", "path", "sentence"),
    [
        ("{channels: [fax]}", "channels[0]", "fax"),
        ("{queues: [orders, nowhere]}", "queues[1]", "nowhere"),
        ("{customer_tiers: [gold]}", "customer_tiers[0]", "gold"),
        ("{channels: chat}", "channels", "wanted a list"),
        ("{channels: [chat, chat]}", "channels[1]", "twice"),
        ("{priority_min: -1}", "priority_min", "0 to 1000"),
        ("{priority_max: 1001}", "priority_max", "0 to 1000"),
        ("{priority_min: high}", "priority_min", "whole number"),
        ("{priority_min: 2, priority_max: 1}", "priority_max", "must not be less"),
        ("{channel: [chat]}", "channel", "did you mean channels?"),
    ],
)
def test_work_that_cannot_be_is_refused(when: str, path: str, sentence: str) -> None:
    assert sentence in problems(TWO.replace("WHEN", when))[f"sla[1].when.{path}"]


def test_work_that_is_no_mapping_is_refused() -> None:
    assert "wanted keys" in problems(TWO.replace("WHEN", "[chat]"))["sla[1].when"]


def test_same_customer_tier_twice_is_refused() -> None:
    assert "twice" in problems("ladder: []\ncustomer_tiers: [gold, gold]")["customer_tiers[1]"]


# ---- standing still


def test_resolution_stands_still_for_both_causes_where_nothing_is_said() -> None:
    assert policy("ladder: []").pauses == {DONE: frozenset({CUSTOMER, HOLD})}


def test_policy_says_for_each_clock_what_it_stands_still_for() -> None:
    made = policy("pause_on: {next_response: [hold], resolution: []}")
    assert made.pauses == {NEXT: frozenset({HOLD}), DONE: frozenset()}


@pytest.mark.parametrize(
    ("pause_on", "path", "sentence"),
    [
        ("{resolution: [lunch]}", "resolution[0]", "wanted one of customer, hold"),
        ("{resolution: customer}", "resolution", "wanted a list"),
        ("{commitment: [hold]}", "commitment", "unknown key"),
        ("{resolutions: [hold]}", "resolutions", "did you mean resolution?"),
    ],
)
def test_standing_still_for_what_is_not_known_is_refused(
    pause_on: str, path: str, sentence: str
) -> None:
    assert sentence in problems(f"pause_on: {pause_on}")[f"sla[0].pause_on.{path}"]


def test_standing_still_that_is_no_mapping_is_refused() -> None:
    assert "wanted keys" in problems("pause_on: [customer]")["sla[0].pause_on"]


@pytest.mark.parametrize(("word", "restarts"), [("continue", False), ("restart", True)])
def test_policy_says_what_becomes_of_a_case_that_is_opened_again(
    word: str, *, restarts: bool
) -> None:
    assert policy(f"on_reopen: {word}").restarts is restarts


@pytest.mark.parametrize("word", ["again", "7", "[restart]"])
def test_reopening_in_no_known_way_is_refused(word: str) -> None:
    found = problems(f"on_reopen: {word}")
    assert "wanted one of continue, restart" in found["sla[0].on_reopen"]


# ---- what the acknowledgement promises


def channel(more: str) -> Config:
    """Read a company whose channel has these keys besides."""
    text = DOCUMENT.replace("cost: 1,", f"cost: 1, {more},").replace("MORE", "")
    for word in ("WAIT", "FIRST", "NEXT", "DONE"):
        text = text.replace(word, "60")
    return check(text, ZONES)


@pytest.mark.parametrize("commits", [True, False])
def test_channel_says_whether_what_it_promises_is_a_commitment(*, commits: bool) -> None:
    made = channel(f"first_response_s: 60, commits: {str(commits).lower()}").channels["chat"]
    assert (made.first_response_s, made.commits) == (60, commits)
    assert not channel("first_response_s: 60").channels["chat"].commits


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("commits: true", "nothing is promised without it"),
        ("commits: true, first_response_s: 0", "nothing is promised without it"),
        ("commits: 1, first_response_s: 60", "wanted true or false"),
    ],
)
def test_commitment_to_nothing_is_refused(more: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        channel(more)
    (problem,) = caught.value.problems
    assert problem.field == "channels[0].commits"
    assert sentence in problem.sentence
