"""`toldonce train` learns topics from a table, says how good it is, and intake can use the file."""

import csv
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from toldonce.cli.main import main
from toldonce.cli.table import labelled
from toldonce.cli.training import EACH_MIN, Row, judge, train
from toldonce.intake.core import parse_model
from toldonce.kernel.errors import Invalid

REAL = Path(__file__).parents[4] / "shared" / "data" / "banking77"
ABOUT = {
    "refund": "money back shekels refund return paid",
    "parcel": "parcel courier late street doorbell waiting",
    "broken": "wobbles cracked smoke noise button screen",
}
FILLING = ["the", "a", "my", "please", "and", "now", "it", "is", "today", "with", "for", "very"]
ODD = "\u03b6\u03b6\u03b6 \u0436\u0436\u0436"


def rows(each: int = 30, seed: int = 1) -> list[Row]:
    """Make texts of three topics: two words that tell, four that do not."""
    dice = random.Random(seed)  # noqa: S311
    made = []
    for name, words in ABOUT.items():
        for _ in range(each):
            said = dice.sample(words.split(), 2) + dice.sample(FILLING, 4)
            dice.shuffle(said)
            made.append((" ".join(said), name))
    return made


def table(file: Path, given: Iterable[Row], columns: tuple[str, str] = ("text", "topic")) -> Path:
    with file.open("w", newline="") as opened:
        csv.writer(opened).writerows([columns, *given])
    return file


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(str(ended.value)), said.out, said.err


def test_command_writes_a_file_that_intake_reads_and_says_how_good_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    learned = table(tmp_path / "past.csv", rows(), ("said", "about"))
    later = table(tmp_path / "later.csv", [*rows(10, seed=2), (ODD, "broken")], ("said", "about"))
    file = tmp_path / "topics.json"
    columns = ("--text-column", "said", "--topic-column", "about")
    code, out, _ = run(capsys, "train", learned, *columns, "--out", file, "--test", later, "--json")
    figures: dict[str, Any] = json.loads(out)
    assert code == 0
    assert (figures["rows"], figures["topics"], figures["not_names"]) == (90, 3, [])
    assert figures["held_out"]["texts"] == 18
    assert figures["held_out"]["accuracy"] == 1.0
    assert figures["test"]["texts"] == 31
    assert figures["test"]["accuracy"] == round(30 / 31, 4)
    assert figures["test"]["unknown"] == round(1 / 31, 4)
    assert figures["test"]["right_when_sure"] == 1.0
    model = parse_model(file.read_bytes(), "new")
    found = model.guess(("It wobbles, and there is smoke",))
    assert found is not None
    assert found.name == "broken"
    assert model.guess((ODD,)) is None


def test_same_rows_make_the_same_file() -> None:
    one, two = (train(rows(), unknown_below_pct=50, say=lambda _: None) for _ in range(2))
    assert one.raw == two.raw


def test_model_that_learned_from_labels_by_chance_is_sure_of_nothing() -> None:
    dice = random.Random(1)  # noqa: S311
    taught = [(text, dice.choice([*ABOUT])) for text, _ in rows(60)]
    model = train(taught, unknown_below_pct=50, say=lambda _: None).model
    asked = rows(60, seed=2)
    sure = [found.sure_pct for text, _ in asked if (found := model.likeliest((text,)))]
    assert sum(sure) / len(sure) < 48  # 56 by its scores as they are
    assert judge(model, asked).unknown > 0.7


def test_floor_says_what_is_unknown() -> None:
    taught = rows(each=20)
    bold = train(taught, unknown_below_pct=0, say=lambda _: None).model
    shy = train(taught, unknown_below_pct=100, say=lambda _: None).model
    assert (judge(bold, taught).unknown, judge(shy, taught).unknown) == (0.0, 1.0)
    assert judge(bold, taught).accuracy == judge(shy, taught).accuracy


def test_command_says_which_labels_can_never_be_topics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = [(text, {"parcel": "Parcel lost?"}.get(name, name)) for text, name in rows()]
    learned = table(tmp_path / "past.csv", renamed)
    code, out, _ = run(capsys, "train", learned, "--out", tmp_path / "topics.json")
    assert code == 0
    assert "1 of these cannot be names of topics, and are ignored: Parcel lost?" in out


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        (rows(EACH_MIN - 1), "--topic-column", "broken: 4 rows, at least 5 needed"),
        ([row for row in rows() if row[1] == "parcel"], "--topic-column", "1 topics; wanted 2"),
        ([(f"{n}", "a" if n % 2 else "b") for n in range(20)], "--text-column", "in common"),
    ],
)
def test_too_little_to_learn_from_is_refused(given: list[Row], field: str, sentence: str) -> None:
    with pytest.raises(Invalid) as no:
        train(given, unknown_below_pct=50, say=lambda _: None)
    assert no.value.problems[0].field == field
    assert sentence in no.value.problems[0].sentence


def test_table_is_refused_by_option_or_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = table(tmp_path / "past.csv", rows())
    gap = table(tmp_path / "gap.csv", [("hello", "parcel"), ("hello", " ")])
    out = ("--out", tmp_path / "topics.json")
    for words, said in (
        ((good, "--topic-column", "about", *out), "--topic-column: "),
        ((gap, *out), "row 2: column topic is empty"),
        ((good, "--out", tmp_path / "nowhere" / "x.json"), "--out: there is no folder"),
        ((tmp_path / "none.csv", *out), "cannot read"),
    ):
        code, _, err = run(capsys, "train", *words)
        assert (code, said in err) == (2, True), err


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (None, "topics.json: No such file"),
        (b"", "topics.json is empty"),
        (b"{}", "topics.json is no model of topics: format: wanted toldonce-topics-1"),
    ],
)
def test_house_does_not_start_with_a_bad_model_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], raw: bytes | None, sentence: str
) -> None:
    file, data = tmp_path / "topics.json", tmp_path / "data"
    if raw is not None:
        file.write_bytes(raw)
    code, _, err = run(capsys, "up", "--topic-model", file, "--data", data, "--port", 0)
    assert code == 2
    assert err.startswith("TOLDONCE_TOPIC_MODEL: ")
    assert sentence in err
    assert not data.exists()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the messages of a bank are not in {REAL}")
def test_messages_of_a_bank_find_their_topic() -> None:
    few = ("card_arrival", "atm_support", "lost_or_stolen_card", "exchange_rate", "age_limit")
    taught, asked = (
        [row for row in labelled(REAL / f"{part}.csv", "text", "category") if row[1] in few]
        for part in ("train", "test")
    )
    judged = judge(train(taught, unknown_below_pct=50, say=lambda _: None).model, asked)
    assert judged.texts == 200
    assert judged.accuracy >= 0.97
    assert judged.unknown <= 0.05
