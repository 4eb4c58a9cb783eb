"""A desk of two queues that has nothing to complain of, and ways to spoil it."""

import copy
from typing import Any

from toldonce.kernel.config import Config, read
from toldonce.kernel.config.linter import Finding, Rule, Severity, findings
from toldonce.runtime.zones import WheelZones

ZONES = WheelZones()
_PLAIN: dict[str, Any] = {
    "version": 1,
    "languages": ["nl", "en"],
    "skills": ["parts"],
    "channels": [{"name": "chat", "kind": "chat", "cost": 1, "queue": "desk"}],
    "topics": [
        {
            "name": "part",
            "queue": "works",
            "priority": 100,
            "skills": {"parts": 2},
            "words": {"nl": ["onderdeel"], "en": ["part"]},
        }
    ],
    "queues": [
        {"name": "desk", "policy": "plain", "dispositions": ["done"]},
        {"name": "works", "policy": "plain", "dispositions": ["done"]},
    ],
    "policies": [{"name": "plain", "age_points_per_minute": 10, "wait_max_s": 3600}],
    "agents": [
        {
            "name": "anna",
            "capacity_units": 3,
            "languages": {"nl": 5, "en": 4},
            "skills": {"parts": 3},
        },
        {"name": "bob", "capacity_units": 3, "languages": {"en": 4}, "queues": ["desk"]},
    ],
}


def desk(**changes: Any) -> dict[str, Any]:
    """The document, with sections of it changed."""
    return copy.deepcopy(_PLAIN) | changes


def config_of(tree: dict[str, Any]) -> Config:
    return read(tree, ZONES)


def found(tree: dict[str, Any], rule: Rule | None = None) -> list[Finding]:
    """What the linter finds, of one rule only if one is named."""
    every = findings(config_of(tree))
    return [one for one in every if rule is None or one.rule is rule]


def only(tree: dict[str, Any], rule: Rule) -> tuple[Severity, str, str]:
    """The one finding of a rule: severity, path, sentence."""
    (one,) = found(tree, rule)
    return one.severity, one.field, one.sentence


def two(low: dict[str, int], high: dict[str, int]) -> dict[str, Any]:
    """A desk whose queue `works` counts 100 more than `desk`, each under a policy of its own."""
    tree = desk()
    tree["policies"] = [{"name": "low", **low}, {"name": "high", **high}]
    tree["queues"][0]["policy"] = "low"
    tree["queues"][1] |= {"policy": "high", "priority": 100}
    return tree
