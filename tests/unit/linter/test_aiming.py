"""SLA policies that never hold, because others are tried before them or nothing leads there."""

from itertools import product
from typing import Any

import pytest

from tests.unit.linter.desk import desk, found, only
from toldonce.kernel.config.aims import When
from toldonce.kernel.config.linter import Rule, Severity

TARGETS = {"queue_wait_s": 60}


def policy(name: str, **when: Any) -> dict[str, Any]:
    return {"name": name, "targets": TARGETS, "when": when}


def with_sla(*policies: dict[str, Any], named: str = "") -> dict[str, Any]:
    tree = desk(sla=list(policies))
    if named:
        tree["queues"][0]["sla"] = named
    return tree


def test_a_policy_behind_one_that_fits_all_it_fits_never_holds() -> None:
    tree = with_sla(
        policy("chats", channels=["chat"]), policy("desk-chats", channels=["chat"], queues=["desk"])
    )
    severity, field, sentence = only(tree, Rule.UNREACHABLE)
    assert (severity, field) == (Severity.WARNING, "sla[1].when")
    assert "chats, which is tried before it, fits all that it fits" in sentence


def test_in_the_other_order_both_hold() -> None:
    tree = with_sla(
        policy("desk-chats", channels=["chat"], queues=["desk"]), policy("chats", channels=["chat"])
    )
    assert found(tree) == []


def test_a_queue_whose_work_is_all_fitted_before_never_has_the_policy_it_names() -> None:
    tree = with_sla(policy("all"), {"name": "plain", "targets": TARGETS}, named="plain")
    severity, field, sentence = only(tree, Rule.UNREACHABLE)
    assert (severity, field) == (Severity.WARNING, "queues[0].sla")
    assert "policy plain never holds for queue desk: all is tried before it" in sentence


def test_a_policy_that_a_queue_names_holds_for_what_the_others_leave() -> None:
    tree = with_sla(
        policy("gold", priority_min=1), {"name": "plain", "targets": TARGETS}, named="plain"
    )
    assert found(tree) == []


def test_a_policy_without_when_that_no_queue_names_is_a_note() -> None:
    tree = with_sla({"name": "plain", "targets": TARGETS})
    assert only(tree, Rule.UNUSED) == (
        Severity.NOTE,
        "sla[0]",
        "policy plain has no `when`, and no queue names it",
    )


NAMES = [(), ("a",), ("b",), ("a", "b")]
BOUNDS = [None, 0, 500, 1000]
WHENS = [
    When(queues=queues, channels=channels, priority_min=low, priority_max=high)
    for queues, channels, low, high in product(NAMES, NAMES, BOUNDS, BOUNDS)
    if low is None or high is None or low <= high
]
WORK = list(product("abc", "abc", (0, 499, 500, 999, 1000), ("",)))


@pytest.mark.parametrize("one", WHENS[::7])
def test_covering_means_fitting_all_that_the_other_fits(one: When) -> None:
    fits = {work for work in WORK if one.fits(*work)}
    for other in WHENS:
        theirs = {work for work in WORK if other.fits(*work)}
        assert one.covers(other) is (theirs <= fits), other
