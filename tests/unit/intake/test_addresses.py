"""One person is one customer, however they are written; two people never become one."""

import pytest

from tests.unit.intake.desk import ADDRESSES, KEY
from toldonce.intake.core import Given, Kind
from toldonce.intake.core.aliases import identify
from toldonce.kernel.aliases import customer_of, normalise
from toldonce.kernel.errors import Invalid


def customer(kind: Kind, value: str, region: str = "") -> str:
    return customer_of(KEY, normalise("aliases[0]", Given(kind, value, region), ADDRESSES))


@pytest.mark.parametrize(
    ("value", "region"),
    [
        ("+31 6 12345678", ""),
        ("0031612345678", "NL"),
        ("06-12 34 56 78", "NL"),
        ("(06) 12345678", "NL"),
        ("tel:+31-6-1234-5678", ""),
        ("+31612345678", "DE"),
        ("\u202a+31 6 12345678\u202c", ""),
        ("\uff0b\uff13\uff11 6 12345678", ""),
    ],
)
def test_phone_written_in_many_ways_is_one_customer(value: str, region: str) -> None:
    assert customer(Kind.PHONE, value, region) == customer(Kind.PHONE, "+31612345678")


@pytest.mark.parametrize(
    "value", ["Joan@Shop.Example", " joan@SHOP.example ", "JOAN@shop.example", "joan@shop.example"]
)
def test_mail_written_in_many_ways_is_one_customer(value: str) -> None:
    assert customer(Kind.EMAIL, value) == customer(Kind.EMAIL, "joan@shop.example")


def test_mail_with_accents_is_one_customer_in_every_spelling() -> None:
    one = customer(Kind.EMAIL, "jo\u00ebl@m\u00fcller.example")
    assert one == customer(Kind.EMAIL, "joe\u0308l@xn--mller-kva.example")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Given(Kind.EMAIL, "joan@shop.example"), Given(Kind.EMAIL, "jo.an@shop.example")),
        (Given(Kind.EMAIL, "joan@shop.example"), Given(Kind.EMAIL, "joan+x@shop.example")),
        (Given(Kind.EMAIL, "strasse@a.example"), Given(Kind.EMAIL, "stra\u00dfe@a.example")),
        (Given(Kind.PHONE, "0612345678", "NL"), Given(Kind.PHONE, "0612345678", "FR")),
        (Given(Kind.PHONE, "+31612345678"), Given(Kind.PHONE, "+31612345678;ext=5")),
        (Given(Kind.HANDLE, "mastodon:joan"), Given(Kind.HANDLE, "bluesky:joan")),
        (Given(Kind.ACCOUNT, "a1"), Given(Kind.ACCOUNT, "A1")),
        (Given(Kind.ACCOUNT, "a1"), Given(Kind.OTHER, "a1")),
    ],
)
def test_two_people_stay_two_customers(one: Given, other: Given) -> None:
    made = [customer_of(KEY, normalise("a", each, ADDRESSES)) for each in (one, other)]
    assert made[0] != made[1]


def test_handle_is_one_customer_with_or_without_its_sign() -> None:
    assert customer(Kind.HANDLE, "Mastodon:@Joan") == customer(Kind.HANDLE, "mastodon:joan")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (Given(Kind.PHONE, "0612345678"), "aliases[0].region"),
        (Given(Kind.PHONE, "0612345678", "nl"), "aliases[0].region"),
        (Given(Kind.PHONE, "0612345678", "XX"), "aliases[0].region"),
        (Given(Kind.PHONE, "+31 12", ""), "aliases[0].value"),
        (Given(Kind.PHONE, "+999 123456789", ""), "aliases[0].value"),
        (Given(Kind.PHONE, "12345", "NL"), "aliases[0].value"),
        (Given(Kind.PHONE, "+31 call me", ""), "aliases[0].value"),
        (Given(Kind.PHONE, "0800-FLOWERS", "NL"), "aliases[0].value"),
        (Given(Kind.PHONE, "", "NL"), "aliases[0].value"),
        (Given(Kind.EMAIL, "joan"), "aliases[0].value"),
        (Given(Kind.EMAIL, "joan@@shop.example"), "aliases[0].value"),
        (Given(Kind.EMAIL, "joan@shop.example", "NL"), "aliases[0].region"),
        (Given(Kind.HANDLE, "joan"), "aliases[0].value"),
        (Given(Kind.ACCOUNT, "   "), "aliases[0].value"),
        (Given(Kind.ACCOUNT, "a\x00b"), "aliases[0].value"),
        (Given(Kind.OTHER, "x" * 321), "aliases[0].value"),
    ],
)
def test_address_that_is_none_is_refused_by_its_field(given: Given, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        identify(KEY, "web", "m-1", (given,), ADDRESSES)
    assert refused.value.problems[0].field == field


def test_refusal_never_repeats_the_address() -> None:
    with pytest.raises(Invalid) as refused:
        identify(KEY, "web", "m-1", (Given(Kind.EMAIL, "secret-name"),), ADDRESSES)
    assert "secret" not in str(refused.value)


def test_plain_mail_is_read_as_the_library_reads_it() -> None:
    for value in ("a.b+c@X.example", "o'neil@sub.domain.Example", "x_y-z@1and1.example"):
        local, _, domain = value.partition("@")
        assert ADDRESSES.email(value) == f"{local}@{domain.lower()}"


@pytest.mark.parametrize("value", ["joan@intranet", '"jo an"@shop.example'])
def test_mail_that_is_unusual_is_mail(value: str) -> None:
    assert ADDRESSES.email(value) is not None


def test_shared_address_gives_way_to_the_first_that_is_not() -> None:
    family = Given(Kind.PHONE, "+31201234567", shared=True)
    own = Given(Kind.EMAIL, "joan@shop.example")
    both = identify(KEY, "web", "m-1", (family, own), ADDRESSES)
    alone = identify(KEY, "web", "m-1", (family,), ADDRESSES)
    assert both.customer == customer(Kind.EMAIL, "joan@shop.example")
    assert not both.shared
    assert [alias.kind for alias in both.aliases] == ["EMAIL", "PHONE"]
    assert alone.shared
    assert alone.customer == customer(Kind.PHONE, "+31201234567") != alone.fresh


def test_contact_without_address_has_a_story_of_its_own_and_the_same_on_a_retry() -> None:
    one = identify(KEY, "web", "m-1", (), ADDRESSES)
    assert one == identify(KEY, "web", "m-1", (), ADDRESSES)
    assert one.customer == one.fresh != identify(KEY, "web", "m-2", (), ADDRESSES).customer


def test_contact_id_follows_gateway_message_and_address_as_named() -> None:
    ids = {
        identify(KEY, gateway, message, (Given(Kind.EMAIL, value),), ADDRESSES).contact
        for gateway in ("web", "mail")
        for message in ("m-1", "m-2")
        for value in ("a@x.example", "A@x.example")
    }
    assert len(ids) == 8


def test_customer_of_another_tenant_is_another_customer() -> None:
    given = (Given(Kind.EMAIL, "joan@shop.example"),)
    one = identify(KEY, "web", "m-1", given, ADDRESSES)
    other = identify(bytes(32), "web", "m-1", given, ADDRESSES)
    assert one.customer != other.customer
    assert one.contact != other.contact


def test_ninth_address_is_refused() -> None:
    given = tuple(Given(Kind.ACCOUNT, str(n)) for n in range(9))
    with pytest.raises(Invalid) as refused:
        identify(KEY, "web", "m-1", given, ADDRESSES)
    assert refused.value.problems[0].field == "aliases"
