"""The learned model answers where no phrase fits, says how sure it is, and its file is checked."""

import json

import pytest

from tests.unit.intake.desk import KEY, NOW, config, submission, tools
from tests.unit.intake.models import TREE, written
from toldonce.intake.core import Contact, Guess, Topics, parse_model, prepare
from toldonce.intake.core.learned import WORDS_MAX, features_of, packed
from toldonce.intake.core.learned_file import CELLS_MAX, FEATURES_MAX, WEIGHT_MAX
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import TopicBy

MODEL = parse_model(written(), "abc")
BOTH = (packed({0: 1}), packed({1: -1}), packed({0: -3, 2: 7}))


def contact(text: str, **changed: object) -> Contact:
    return prepare(
        submission(text=text, language_hint="en", **changed),
        key=KEY,
        config=config(),
        topics=Topics(config().topics, MODEL),
        tools=tools(),
        now=NOW,
    )


def told(of: Contact) -> tuple[str, TopicBy, int, str]:
    return of.topic, of.topic_by, of.topic_sure_pct, of.topic_model


def test_text_gets_its_topic_and_queue_by_the_model_where_no_phrase_stands_in_it() -> None:
    found = contact("It WOBBLES, when I sit down")
    assert told(found) == ("technical", TopicBy.MODEL, 92, "abc")
    assert found.requirement == contact("", topic_hint="technical").requirement


def test_phrase_goes_before_the_model_and_the_gateway_before_both() -> None:
    text = "My parcel wobbles"
    assert told(contact(text)) == ("late-delivery", TopicBy.WORDS, 0, "")
    assert told(contact(text, topic_hint="refund")) == ("refund", TopicBy.GATEWAY, 0, "")


@pytest.mark.parametrize("text", ["", "good morning", "perhaps", "abracadabra"])
def test_topic_is_unknown_where_the_model_knows_nothing_or_is_not_sure_or_means_no_topic_of_ours(
    text: str,
) -> None:
    assert told(contact(text)) == ("", TopicBy.UNSPECIFIED, 0, "")


def test_certainty_is_the_share_among_all_classes() -> None:
    assert MODEL.likeliest(("wobbles",)) == Guess("technical", 92)  # 1 / (1 + 2 (63/64)^200)
    assert MODEL.likeliest(("perhaps",)) == Guess("refund", 40)  # 1 / (1 + 2 (63/64)^20)
    assert MODEL.likeliest(("abracadabra",)) == Guess("somewhere-else", 96)


def test_text_is_brought_to_length_one() -> None:
    # two features of one rarity: 200 and 20 over the root of 2, so 142 and 14 units
    assert MODEL.likeliest(("wobbles perhaps",)) == Guess("technical", 80)
    assert MODEL.likeliest(("my shekels",)) == Guess("refund", 99)


def test_text_that_is_mostly_strange_makes_the_model_less_sure() -> None:
    wary = parse_model(written(unseen=64), "abc")
    texts = ("wobbles", "wobbles x", "wobbles a b c d e f g h i j k l m n o p q r s t u v w x y z")
    sure = [found.sure_pct for text in texts if (found := wary.likeliest((text,)))]
    # eleven pieces of the first are strange; then a word and a pair more; then 50 more than that
    assert sure == [55, 53, 42]
    assert wary.guess(texts[:1]) is not None
    assert wary.guess(texts[2:]) is None


def test_words_that_come_twice_count_once_and_pairs_end_with_their_text() -> None:
    assert MODEL.likeliest(("perhaps", "perhaps")) == MODEL.likeliest(("perhaps",))
    apart = set(features_of(("my", "shekels"), (4, 5)))
    assert set(features_of(("my shekels",), (4, 5))) - apart == {"my shekels"}


def test_pieces_are_runs_of_letters_of_the_marked_word() -> None:
    assert sorted(features_of(("Ab",), (3, 4))) == ["ab", "~<ab", "~<ab>", "~ab>"]


def test_long_text_counts_up_to_its_bound() -> None:
    long = "x " * WORDS_MAX + "wobbles"
    assert MODEL.likeliest((long,)) is None
    assert MODEL.likeliest((long[2:],)) == Guess("technical", 92)


def test_rows_add_up_field_by_field_also_below_nothing() -> None:
    assert sum(BOTH) == packed({0: -2, 1: -1, 2: 7})
    most = FEATURES_MAX * WEIGHT_MAX
    assert most < 1 << 31


def test_model_says_which_of_its_classes_are_no_topic_of_the_configuration() -> None:
    assert Topics(config().topics, MODEL).foreign == ("somewhere-else",)
    assert Topics(config().topics).foreign == ()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"format": "toldonce-topics-2"}, "format"),
        ({"classes": ["refund"]}, "classes"),
        ({"classes": "refund"}, "classes"),
        ({"classes": ["refund", ""]}, "classes"),
        ({"classes": ["refund", 1]}, "classes"),
        ({"classes": ["refund", "refund"]}, "classes"),
        ({"classes": ["refund", "technical"]}, "features[3]"),
        ({"classes": [str(n) for n in range(1_001)]}, "classes"),
        ({"pieces": [3]}, "pieces"),
        ({"pieces": [3, 9]}, "pieces"),
        ({"pieces": [True, 4]}, "pieces"),
        ({"scale": 0}, "scale"),
        ({"scale": 1.5}, "scale"),
        ({"unseen": -1}, "unseen"),
        ({"unknown_below_pct": 101}, "unknown_below_pct"),
        ({"unknown_below_pct": None}, "unknown_below_pct"),
        ({"features": {}}, "features"),
        ({"features": [["a", 1]]}, "features"),
        ({"features": {"a": []}}, "features[0]"),
        ({"features": {"a": [64, 0]}}, "features[0]"),
        ({"features": {"a": [0, 0, 1]}}, "features[0]"),
        ({"features": {"a": [64, 0, 4_097]}}, "features[0]"),
        ({"features": {"a": [64, 0, 1, 0, 1]}}, "features[0]"),
        ({"features": {"a": [64, -1, 1]}}, "features[0]"),
    ],
)
def test_file_that_is_wrong_is_refused_by_the_path_of_what_is_wrong(
    changed: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as no:
        parse_model(written(**changed), "abc")
    assert no.value.problems[0].field == field


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_what_is_no_such_file_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"JSON|toldonce train"):
        parse_model(raw, "abc")


def test_file_too_large_for_memory_is_refused() -> None:
    classes = [str(number) for number in range(1_000)]
    features = {str(number): [64] for number in range(CELLS_MAX // 1_000 + 1)}
    with pytest.raises(Invalid, match="classes are more"):
        parse_model(json.dumps(TREE | {"classes": classes, "features": features}).encode(), "abc")
