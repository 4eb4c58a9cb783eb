"""Reading what is expected: defaults, paths of what is wrong, and its place in the document."""

from typing import Any

import pytest

from tests.unit.linter.desk import ZONES, config_of, desk
from toldonce.kernel.config import read
from toldonce.kernel.config.forecast import Expected, Forecast
from toldonce.kernel.errors import Invalid

CONTACT = {"queue": "desk", "per_hour": 30, "handle_s": 240}


def expecting(*contacts: object, **more: Any) -> dict[str, Any]:
    return desk(forecast={"contacts": list(contacts), **more})


def test_a_document_without_a_forecast_expects_nothing() -> None:
    assert config_of(desk()).forecast == Forecast((), 1_000)


def test_a_forecast_is_read_with_its_defaults() -> None:
    more = {"topic": "part", "language": "nl", "channel": "chat", "concurrency": 2}
    assert config_of(expecting(CONTACT, CONTACT | more, present=0.4)).forecast == Forecast(
        (Expected("desk", 30, 240), Expected("desk", 30, 240, "part", "nl", "chat", 2)), 400
    )
    assert config_of(expecting(present=1)).forecast.present_permille == 1_000


def test_a_forecast_is_part_of_the_digest() -> None:
    digests = {config_of(tree).digest for tree in (desk(), expecting(), expecting(CONTACT))}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("forecast", "field", "says"),
    [
        ([], "forecast", "wanted keys and values"),
        ({"contact": []}, "forecast.contact", "did you mean contacts?"),
        ({"present": 0}, "forecast.present", "above 0 and at most 1"),
        ({"present": 1.5}, "forecast.present", "above 0 and at most 1"),
        ({"present": True}, "forecast.present", "above 0 and at most 1"),
        ({"contacts": {}}, "forecast.contacts", "wanted a list"),
        ({"contacts": [{}]}, "forecast.contacts[0].queue", "is missing"),
        ({"contacts": [{}]}, "forecast.contacts[0].per_hour", "is missing"),
        ({"contacts": [{}]}, "forecast.contacts[0].handle_s", "is missing"),
        (
            {"contacts": [CONTACT, CONTACT | {"per_hour": 0}]},
            "forecast.contacts[1].per_hour",
            "wanted a whole number from 1",
        ),
        (
            {"contacts": [CONTACT | {"concurrency": 0}]},
            "forecast.contacts[0].concurrency",
            "wanted a whole number from 1",
        ),
        (
            {"contacts": [CONTACT | {"queue": "dusk"}]},
            "forecast.contacts[0].queue",
            "did you mean desk?",
        ),
        (
            {"contacts": [CONTACT | {"language": "fr"}]},
            "forecast.contacts[0].language",
            "there is no language 'fr'",
        ),
        (
            {"contacts": [CONTACT | {"channel": "chap"}]},
            "forecast.contacts[0].channel",
            "did you mean chat?",
        ),
        (
            {"contacts": [CONTACT | {"topic": "parts"}]},
            "forecast.contacts[0].topic",
            "did you mean part?",
        ),
    ],
)
def test_a_misshaped_forecast_is_refused_with_the_path(
    forecast: object, field: str, says: str
) -> None:
    with pytest.raises(Invalid) as refused:
        read(desk(forecast=forecast), ZONES)
    said = {problem.field: problem.sentence for problem in refused.value.problems}
    assert field in said, said
    assert says in said[field]
