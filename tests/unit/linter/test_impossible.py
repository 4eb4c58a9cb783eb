"""`toldonce check` refuses what can never work, with the path of the key."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.linter.impossible import impossible, right, text
from toldonce.cli.check import lint
from toldonce.cli.output import Out

WRONG = {what: (tree, path, says) for what, tree, path, says in impossible()}


def checked(tree: dict[str, Any]) -> dict[str, Any]:
    return lint(Out(), Path("desk.yaml"), text(tree))


def test_document_that_is_spoiled_below_is_right() -> None:
    found = checked(right())
    assert (found["ok"], found["problems"]) == (True, [])


@pytest.mark.parametrize("what", WRONG)
def test_check_refuses_the_impossible_with_the_path_of_the_key(what: str) -> None:
    tree, path, says = WRONG[what]
    found = checked(tree)
    assert not found["ok"]
    said = {problem["field"]: problem["sentence"] for problem in found["problems"]}
    assert says in said[path], said
