"""What `toldonce up` suggests fits the company that is in force."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.linter.desk import config_of, desk
from toldonce.cli.output import Out
from toldonce.cli.up import _greet, _who_answers
from toldonce.kernel.errors import Unavailable

ROBOT = {"name": "abby", "kind": "bot", "capacity_units": 9}


def shown(agent: str, capsys: pytest.CaptureFixture[str]) -> str:
    running: Any = SimpleNamespace(address="127.0.0.1:7700", metrics_address="127.0.0.1:7790")
    _greet(Out(), running, Path("mine"), agent, hurried=False)
    return capsys.readouterr().out


def asked(tree: dict[str, Any] | None) -> str:
    """Who is suggested where this document is in force; None: it cannot be read."""

    class Configs:
        async def of(self, tenant: str) -> Any:
            if tree is None:
                raise Unavailable(f"the configuration of tenant {tenant} cannot be read")
            return config_of(tree)

    running: Any = SimpleNamespace(ports=SimpleNamespace(config=Configs()))
    return asyncio.run(_who_answers(running))


def test_the_first_person_by_name_is_suggested() -> None:
    agents = desk()["agents"]
    assert asked(desk(agents=[*reversed(agents), ROBOT])) == "anna"


def test_nobody_is_suggested_where_no_person_answers() -> None:
    robot = ROBOT | {"skills": {"parts": 3}, "languages": {"nl": 5, "en": 5}}
    assert asked(desk(agents=[robot])) == ""
    assert asked(None) == ""


def test_the_suggestion_can_be_typed_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    said = shown("anna", capsys)
    assert "\n  toldonce agent anna --data mine          # be the agent who answers\n" in said
    assert "anouk" not in said
    nobody = shown("", capsys)
    assert "toldonce agent" not in nobody
    assert "joan@example.org --data mine\n  toldonce status --data mine\n" in nobody
