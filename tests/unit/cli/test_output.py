"""What commands say: JSON where it was asked for, sentences that say what to do, exit codes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from toldonce.cli.main import main
from toldonce.cli.output import FAILED, WRONG_USE, Out, ago, band, explain
from toldonce.kernel.errors import (
    Denied,
    Invalid,
    Missing,
    Problem,
    Refusal,
    Unauthenticated,
    Unavailable,
)


def test_a_command_writes_its_json_into_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Out(str(tmp_path / "figures.json"))
    out.say("hello")
    out.emit({"a": 1})
    assert json.loads((tmp_path / "figures.json").read_text(encoding="utf-8")) == {"a": 1}
    assert capsys.readouterr().out == "hello\n"


def test_a_command_keeps_stdout_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    out = Out("-")
    out.say("hello")
    out.emit({"a": "é"})
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": "é"}
    assert said.err == "hello\n"


@pytest.mark.parametrize(
    ("no", "words", "code"),
    [
        (Invalid("text", "too long"), "text: too long", WRONG_USE),
        (Unavailable("failed to connect to all addresses"), "toldonce up", FAILED),
        (Unavailable("the engine rests"), "the engine rests", FAILED),
        (Unauthenticated("no token"), "--token", FAILED),
        (Denied("not for you"), "--as", FAILED),
        (Missing("case", "there is no case of this id"), "no case", FAILED),
        (ExceptionGroup("several", [Missing("case", "gone")]), "gone", FAILED),
        (KeyError("x"), "a fault of ours", FAILED),
    ],
)
def test_a_refusal_becomes_a_sentence_and_an_exit_code(no: Refusal, words: str, code: int) -> None:
    sentence, exit_code = explain(no)
    assert words in sentence
    assert exit_code == code


def test_a_refusal_with_many_problems_is_cut() -> None:
    no = Invalid("a", "b", *(Problem(f"f{n}", "s") for n in range(40)))
    assert explain(no)[0].endswith("and 21 more")


def test_an_instant_is_told_as_people_do() -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    spans = ((3, "3 s"), (90, "2 min"), (7200, "2 h"), (200_000, "2 d"), (-5, "0 s"))
    for seconds, told in spans:
        assert ago(now - timedelta(seconds=seconds), now) == told
    assert ago(None, now) == "-"


def test_a_wait_is_told_as_what_it_lies_between() -> None:
    bands = {(20, 190): "20 s to 3 min", (130, 290): "2 to 5 min", (3, 3.2): "3 s"}
    assert {span: band(*span) for span in bands} == bands


def test_a_person_is_told_how_to_use_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["submit"],
        ["submit", "--text", "a", "--file", "b.csv"],
        ["nothing"],
        ["demo", "--contacts", "0"],
        ["check"],
        ["status", "--as", "boss:me", "--data", "/nowhere"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == WRONG_USE
        assert "Traceback" not in capsys.readouterr().err


def test_a_person_reads_an_example_in_the_help_of_each_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for command in ("up", "serve", "demo", "check", "apply", "submit", "agent", "case", "status"):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert "Example:" in capsys.readouterr().out


async def test_what_takes_too_long_is_told_in_a_sentence() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    sentence, exit_code = explain(caught.value)
    assert sentence.startswith("It took longer than it may (at ")
    assert exit_code == FAILED
