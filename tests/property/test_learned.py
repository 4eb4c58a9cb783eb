"""Whatever is written: the model answers the same, within bounds, and nothing where all is new."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.intake.models import TREE, written
from toldonce.intake.core import Guess, parse_model
from toldonce.intake.core.learned import features_of

MODEL = parse_model(written(), "abc")
WORDS = st.sampled_from(["wobbles", "shekels", "my", "perhaps", "abrupt", "Abrégé", "x"])
TEXTS = st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=30).map(" ".join))


@given(TEXTS, TEXTS)
def test_same_text_has_the_same_answer_of_any_reader_of_the_file(one: str, two: str) -> None:
    backwards = dict(reversed(TREE["features"].items()))  # type: ignore[attr-defined]
    other = parse_model(written(features=backwards), "other")
    assert MODEL.likeliest((one, two)) == other.likeliest((one, two))


@given(TEXTS)
def test_certainty_lies_between_the_share_of_all_classes_and_99(text: str) -> None:
    found = MODEL.likeliest((text,))
    assert found is None or 33 <= found.sure_pct <= 99
    sure = MODEL.guess((text,))
    assert sure == (found if found is not None and found.sure_pct >= 50 else None)


@given(TEXTS)
def test_text_of_which_nothing_is_known_is_unknown(text: str) -> None:
    known = set(features_of((text,), (4, 5))) & set(TREE["features"])  # type: ignore[call-overload]
    assert (MODEL.likeliest((text,)) is None) == (not known)


@given(TEXTS, st.integers(1, 6))
def test_stronger_weights_of_one_class_never_make_another_likelier(text: str, times: int) -> None:
    features = {
        name: [rarity, *pairs, 2, 50 * times] if 2 not in pairs[::2] else [rarity, *pairs]
        for name, (rarity, *pairs) in TREE["features"].items()  # type: ignore[attr-defined]
    }
    before = MODEL.likeliest((text,))
    after = parse_model(written(features=features), "abc").likeliest((text,))
    if isinstance(before, Guess) and before.name == "somewhere-else":
        assert isinstance(after, Guess)
        assert after.name == "somewhere-else"
        assert after.sure_pct >= before.sure_pct
