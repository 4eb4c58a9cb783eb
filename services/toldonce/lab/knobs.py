"""The weights of a policy as numbers of about one, so that a search can turn them.

A weight times what it is multiplied with, as that usually is, comes to some points; the usual size
of those points is the unit, and a number is the inverse hyperbolic sine of points in units: near 0
a step adds, far from 0 it multiplies, and nothing is lost where the sign changes. What usually
waits or is free grows with the square root of the agents, and waits shrink with it (Halfin and
Whitt 1981).
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from math import asinh, exp, log, sinh, sqrt
from statistics import fmean
from types import MappingProxyType

import numpy as np

from toldonce.kernel.config.success import Success
from toldonce.kernel.config.weighing import KEYS, MILLI, NOT_NEGATIVE, POINTS_MAX, Weighing, Weights
from toldonce.kernel.errors import Invalid
from toldonce.lab.scenario import Group, Policy, Scenario, Type
from toldonce.lab.search import Numbers

TERMS = ("base", "wait", "spare", "queue", "serving")  # what is tuned unless somebody says
KNOBS_MAX = 200
_POSITIVE = (*NOT_NEGATIVE, "wait")  # of one type, the older first
_NO_LEVELS = "fit"
_FAR = asinh(20)  # where a search starts: beyond it one term decides alone, and nothing is learned
_FARTHEST = asinh(1_000)
_SMALL = 0.01  # of the largest: a weight that only breaks ties
_ALL_ABOVE = 50  # units above 0: nobody is ever left apart


class Knobs:
    """The weights of a scenario's pairs, as changes of a policy that somebody wrote."""

    def __init__(self, scenario: Scenario, start: Policy, terms: Sequence[str] = TERMS) -> None:
        """Turn these terms for each type and each group that serves it; raises Invalid."""
        self._start = start
        self._terms = _known(terms)
        self._usual = {
            (type_.name, group.name): _usual(scenario, type_, group)
            for type_ in scenario.types
            for group in scenario.groups
            if type_.name in group.service
        }
        if len(self._usual) * len(self._terms) > KNOBS_MAX:
            raise Invalid(
                "--term",
                f"{len(self._terms)} terms for {len(self._usual)} pairs of a type and a group are "
                f"more than {KNOBS_MAX} weights: name fewer terms",
            )
        self._within = {
            type_.name: round(type_.within * 60_000) if type_.goal else 0
            for type_ in scenario.types
        }
        self._unit = self._unit_of()
        lowest = min(self._weights(pair).base for pair in self._usual)
        self._floor = lowest if lowest > _ALL_ABOVE * self._unit else 0.0

    def start(self) -> Numbers:
        """Give the numbers of the policy that was written, none of them far out."""
        found = []
        for pair, usual in self._usual.items():
            weights = self._weights(pair)
            for term in self._terms:
                points = (getattr(weights, term) - self._offset(term)) * usual[term]
                found.append(min(max(asinh(points / self._unit), -_FAR), _FAR))
        return np.array(found)

    def policy(self, name: str, numbers: Numbers) -> Policy:
        """Write the policy that these numbers mean; what is not turned is as it was written."""
        row = iter(numbers.tolist())
        groups: dict[str, dict[str, Weights]] = {}
        for (type_, group), usual in self._usual.items():
            said = {}
            for term in self._terms:
                number = min(max(next(row), -_FARTHEST), _FARTHEST)
                weight = round(self._offset(term) + sinh(number) * self._unit / usual[term])
                least = 0 if term in _POSITIVE else -POINTS_MAX * MILLI
                said[term] = min(max(weight, least), POINTS_MAX * MILLI)
            written = self._weights((type_, group))
            groups.setdefault(type_, {})[group] = replace(written, **said)
        weigh = {}
        for type_, of_groups in groups.items():
            written_whole = self._start.weigh.get(type_, Weighing())
            within_ms = written_whole.within_ms
            if "in_time" in self._terms:
                within_ms = within_ms or self._within[type_]
            weigh[type_] = replace(
                written_whole, groups=MappingProxyType(of_groups), within_ms=within_ms
            )
        return Policy(name, MappingProxyType(weigh))

    def _weights(self, pair: tuple[str, str]) -> Weights:
        type_, group = pair
        return self._start.weigh.get(type_, Weighing()).of(group)

    def _offset(self, term: str) -> float:
        return self._floor if term == "base" else 0.0

    def _unit_of(self) -> float:
        """Say what the terms of a pair usually come to, in thousandths of a point."""
        found = [
            abs(getattr(self._weights(pair), term)) * usual[term]
            for pair, usual in self._usual.items()
            for term in KEYS
            if term not in ("base", _NO_LEVELS)
        ]
        found = [points for points in found if points > _SMALL * max(found)]
        if not found:
            found = [abs(self._weights(pair).base) for pair in self._usual]
            found = [points for points in found if points > 0]
        return exp(fmean(log(points) for points in found)) if found else float(MILLI)


def tree_of(policy: Policy) -> dict[str, object]:
    """Give a policy as what stands under its name in a scenario; each type's part is a `weigh`."""
    tree: dict[str, object] = {name: _tree(weighing) for name, weighing in policy.weigh.items()}
    if policy.success != Success():
        tree["success"] = _learning(policy.success)
    return tree


def _learning(success: Success) -> dict[str, object]:
    return {
        "mode": success.mode.value,
        "weight": success.weight / MILLI,
        "explore": success.explore / MILLI,
        "cycle_minutes": success.cycle_minutes,
        "by": list(success.by),
        "resolved": list(success.resolved),
        "repeat_s": success.repeat_s,
    }


def _tree(weighing: Weighing) -> dict[str, object]:
    plain = Weights(wait=MILLI)
    tree: dict[str, object] = {"wait": weighing.everybody.wait / MILLI}
    tree |= _said(weighing.everybody, plain)
    if weighing.within_ms:
        tree["within_s"] = weighing.within_ms / 1_000
    for way in ("by_lot", "batch"):
        if getattr(weighing, way):
            tree[way] = True
    if weighing.groups:
        tree["groups"] = {
            name: _said(weights, weighing.everybody) for name, weights in weighing.groups.items()
        }
    return tree


def _said(weights: Weights, inherited: Weights) -> dict[str, object]:
    """Give the weights that are not as those they come from."""
    return {
        one.name: getattr(weights, one.name) / MILLI
        for one in fields(Weights)
        if getattr(weights, one.name) != getattr(inherited, one.name)
    }


def _known(terms: Sequence[str]) -> tuple[str, ...]:
    for term in terms:
        if term == _NO_LEVELS:
            raise Invalid("--term", "fit means nothing here: agents of a scenario have no levels")
        if term not in KEYS:
            wanted = ", ".join(key for key in KEYS if key != _NO_LEVELS)
            raise Invalid("--term", f"{term} is none of {wanted}")
    return tuple(dict.fromkeys(terms))


def _usual(scenario: Scenario, type_: Type, group: Group) -> dict[str, float]:
    """Say what each term of a pair is usually multiplied with: minutes, agents, cases."""
    able = sum(_agents(one) for one in scenario.groups if type_.name in one.service)
    everybody = sum(_agents(one) for one in scenario.groups)
    service = max(fmean(spread.mean for spread in group.service[type_.name]), 1e-3)
    return {
        "base": 1.0,
        "wait": service / sqrt(able),
        "idle": service,
        "spare": sqrt(_agents(group)),
        "spare_all": sqrt(everybody),
        "queue": sqrt(able),
        "queue_all": sqrt(everybody),
        "serving": sqrt(able),
        "in_time": 1.0,
        "pace": sqrt(able) / service,
    }


def _agents(group: Group) -> float:
    return max(fmean(group.agents), 1.0)
