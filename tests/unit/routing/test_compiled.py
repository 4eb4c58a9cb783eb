"""The compiled twin decides as the interpreted modules do."""

import json
import os
import subprocess
import sys

import pytest

from tests.style.tree import ROOT
from toldonce.runtime import compiled

_DAYS = """
import hashlib, json, sys
from toldonce.runtime import compiled
used = compiled.prefer() if sys.argv[1] == "compiled" else False
from toldonce.lab import desk as module
from toldonce.lab.desk import Desk
from toldonce.lab.dice import dice
from toldonce.lab.reading import read
from toldonce.lab.suite import text_of
from toldonce.runtime.yaml_tree import load
said = hashlib.sha256()
for name, policy in (
    ("s2", "bent"), ("s2", "fifo"), ("s3", "fifo"), ("learned", "half-the-time")
):
    scenario = read(load(text_of(name)))
    desk = Desk(scenario, scenario.policies[policy], dice(scenario, 5, 1))
    for tally in desk.run():
        said.update(repr((tally.served, tally.lost)).encode())
    said.update(repr(desk.engine.lifts()).encode())
    said.update(desk.engine.digest().encode())
print(json.dumps({"used": used, "file": module.__file__, "digest": said.hexdigest()}))
"""


def test_compiled_modules_decide_as_the_interpreted_ones_do() -> None:
    if not (compiled.folder() / "ready").exists():
        pytest.skip("nothing is compiled here: no C compiler, or a source has changed since")
    found = [_days("compiled"), _days("interpreted")]
    assert [one["used"] for one in found] == [True, False]
    assert not str(found[0]["file"]).endswith(".py")
    assert found[0]["digest"] == found[1]["digest"]


def test_twin_is_of_exactly_these_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled.folder()
    assert compiled.sources()
    compiled.folder.cache_clear()
    monkeypatch.setattr(compiled, "LEFT_OUT", compiled.LEFT_OUT | {"timers.py"})
    assert compiled.folder() != before
    monkeypatch.undo()
    compiled.folder.cache_clear()
    assert compiled.folder() == before


def test_modules_that_were_imported_already_are_not_mixed_with_the_twin() -> None:
    from toldonce.routing.core import engine  # noqa: F401, PLC0415

    assert not compiled.prefer()


def _days(how: str) -> dict[str, object]:
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", _DAYS, how],
        capture_output=True,
        check=True,
        timeout=110,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'services'}"},
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found
