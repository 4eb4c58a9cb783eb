"""Whatever a gateway writes, it is one form, one customer, or refused by a field: nothing else."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.intake.desk import ADDRESSES, KEY, prepared, submission
from toldonce.intake.core import Given, Kind
from toldonce.intake.core.aliases import identify
from toldonce.kernel.aliases import customer_of, normalise
from toldonce.kernel.errors import Invalid
from toldonce.kernel.story.events import Alias
from toldonce.kernel.text import clean, one_line, token

OWN = re.compile("[0-9a-hjkmnp-tv-z]{26}")
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60)
NUMBERS = st.from_regex(r"\+?(tel:)?[0-9 ().-]{3,16}(;ext=[0-9]{1,4})?", fullmatch=True)
MAIL = st.from_regex(r"[a-zA-Z0-9._%+'\u00e0-\u00ff-]{1,12}@[a-zA-Z0-9.-]{1,20}", fullmatch=True)
GIVEN = st.builds(
    Given,
    st.sampled_from(Kind),
    ANYTHING | NUMBERS | MAIL | st.builds("{}:{}".format, ANYTHING, ANYTHING),
    st.sampled_from(["", "", "NL", "FR", "US", "IT", "XX", "nl"]),
    st.booleans(),
)


def tried[T](make: Callable[[], T]) -> tuple[T | None, str]:
    """Give what was made, or the field by which it was refused."""
    try:
        return make(), ""
    except Invalid as refused:
        return None, refused.problems[0].field or "no field"


@given(GIVEN)
@settings(max_examples=400)
def test_address_has_one_form_or_is_refused(alias: Given) -> None:
    once, field = tried(lambda: normalise("aliases[0]", alias, ADDRESSES))
    if once is None:
        assert field in {"aliases[0].value", "aliases[0].region"}
        return
    region = alias.region if alias.kind is Kind.PHONE else ""
    again = normalise("aliases[0]", Given(alias.kind, once.value, region), ADDRESSES)
    assert again == once
    assert again == normalise("aliases[0]", Given(alias.kind, once.value), ADDRESSES)
    assert OWN.fullmatch(customer_of(KEY, once))


@given(st.lists(GIVEN, max_size=9), ANYTHING)
def test_identity_is_made_of_ids_that_cannot_hurt(aliases: list[Given], message_id: str) -> None:
    try:
        token("message_id", message_id, bytes_max=256)
        made = identify(KEY, "web", message_id, aliases, ADDRESSES)
    except Invalid:
        return
    for own in (made.customer, made.fresh, made.contact):
        assert OWN.fullmatch(own)
    assert len(set(made.aliases)) == len(made.aliases) <= 8
    assert all(isinstance(alias, Alias) for alias in made.aliases)
    assert made == identify(KEY, "web", message_id, aliases, ADDRESSES)


@given(ANYTHING)
def test_text_has_one_form_or_is_refused(text: str) -> None:
    for form in (clean, one_line):
        once, field = tried(partial(form, "text", text, bytes_max=100))
        if once is None:
            assert field == "text"
            continue
        assert form("text", once, bytes_max=100) == once
        assert len(once.encode()) <= 100
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", once)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "gateway": ANYTHING,
            "message_id": ANYTHING,
            "channel": ANYTHING | st.sampled_from(["chat", "voice", "email"]),
            "aliases": st.lists(GIVEN, max_size=3).map(tuple),
            "customer_name": ANYTHING,
            "subject": ANYTHING,
            "text": ANYTHING,
            "language_hint": ANYTHING | st.sampled_from(["nl", "de-AT", "xx"]),
            "topic_hint": ANYTHING | st.sampled_from(["refund", ""]),
            "queue_hint": ANYTHING | st.sampled_from(["vip", ""]),
            "skills_hint": st.lists(
                st.tuples(ANYTHING | st.just("billing"), st.integers(-9, 9)), max_size=3
            ).map(tuple),
            "priority": st.none() | st.integers(-5, 2_000),
            "thread_case_id": ANYTHING,
            "traceparent": ANYTHING,
        },
    )
)
@settings(max_examples=200)
def test_any_submission_becomes_a_contact_or_is_refused_by_a_field(changed: dict[str, Any]) -> None:
    contact, field = tried(lambda: prepared(submission(**changed)))
    if contact is None:
        assert field != "no field"
        return
    assert contact == prepared(submission(**changed))
    assert contact.language in {"nl", "en", "de", "fr"}
    assert len(contact.acknowledgement.encode()) <= 1_024
    assert 0 <= contact.priority <= 1_000
