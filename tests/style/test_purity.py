"""The kernel and every core are pure, and the rule that says so bites."""

import pytest

from tests.style.purity import impurities, is_pure_by_rule
from tests.style.tree import dotted, modules

CORE = "toldonce.ownership.core"


def test_the_kernel_and_every_core_import_and_call_only_what_is_pure():
    found = [
        f"{dotted(path)}:{what}"
        for path in modules()
        if is_pure_by_rule(dotted(path))
        for what in impurities(path.read_text(encoding="utf-8"), dotted(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import random", "imports random"),
        ("import time", "imports time"),
        ("from uuid import uuid4", "imports uuid"),
        ("import os.path", "imports os.path"),
        ("import asyncio", "imports asyncio"),
        ("import msgspec", "imports msgspec"),
        ("from zoneinfo import ZoneInfo", "imports zoneinfo"),
        ("from toldonce.api.events.v1 import x", "imports toldonce.api.events.v1"),
        ("from toldonce.runtime import clock", "imports toldonce.runtime"),
        ("from toldonce.routing.core import step", "imports toldonce.routing.core"),
        ("from .handler import load", "imports toldonce.ownership.handler"),
        ("import datetime\ndatetime.datetime.now()", "datetime.datetime.now"),
        ("from datetime import datetime as d\nd.utcnow()", "d.utcnow"),
        ("from datetime import date\nf = date.today", "date.today"),
        ("print('x')", "calls print()"),
        ("open('x')", "calls open()"),
        ("hash('x')", "calls hash()"),
        ("async def f(): ...", "async def f"),
    ],
)
def test_the_rule_names_what_is_impure(source, what):
    assert [said for said in impurities(source, CORE) if what in said]


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from datetime import UTC, datetime\ndef f(now: datetime): return now", CORE),
        ("def f(clock): return clock.now()", CORE),
        ("from toldonce.kernel.ids import CaseId", CORE),
        ("from toldonce.ownership.core.types import Case", "toldonce.ownership.core.decide"),
        ("from collections.abc import Sequence", "toldonce.kernel.skills"),
        ("from zoneinfo import ZoneInfo", "toldonce.kernel.calendar"),
    ],
)
def test_the_rule_lets_pure_code_be(source, module):
    assert not list(impurities(source, module))


@pytest.mark.parametrize(
    ("module", "covered"),
    [
        ("toldonce.kernel", True),
        ("toldonce.kernel.story.fold", True),
        ("toldonce.routing.core", True),
        ("toldonce.routing.core.match", True),
        ("toldonce.routing.handler", False),
        ("toldonce.runtime.clock", False),
    ],
)
def test_the_rule_covers_the_kernel_and_the_cores(module, covered):
    assert is_pure_by_rule(module) is covered
