"""What a company expects to come in an hour: read here, used by the planning of `linter.planning`.

Nothing is routed by it. It says whether the people configured can carry what is expected.
"""

from dataclasses import dataclass

from toldonce.kernel.config.owning import DAY_S
from toldonce.kernel.config.tree import Fields

EXPECTED_MAX = 1_000
PER_HOUR_MAX = 1_000_000
CONCURRENCY_MAX = 1_000
ALL_PERMILLE = 1_000


@dataclass(frozen=True, slots=True)
class Expected:
    """Contacts of one sort: `per_hour` come in an open hour, each is handled for `handle_s`.

    `language` "" is any, `topic` "" none. With a `channel` an agent has as many at once as the
    channel's cost fits into their units, without one a single one; `concurrency` (0: not said) is
    what an agent has at once at most, or, without a channel, exactly.
    """

    queue: str
    per_hour: int
    handle_s: int
    topic: str = ""
    language: str = ""
    channel: str = ""
    concurrency: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """A busy hour. Of all agents `present_permille` thousandths work in it."""

    contacts: tuple[Expected, ...] = ()
    present_permille: int = ALL_PERMILLE


def forecast(document: Fields) -> Forecast:
    """Read what is expected; an empty forecast where the document has none."""
    entry = document.section("forecast", ("present", "contacts"))
    known = ("queue", "topic", "language", "channel", "per_hour", "handle_s", "concurrency")
    return Forecast(
        present_permille=entry.permille("present", ALL_PERMILLE, all_of_it=True),
        contacts=tuple(
            Expected(
                queue=item.name("queue"),
                topic=item.name("topic", ""),
                language=item.name("language", ""),
                channel=item.name("channel", ""),
                per_hour=item.whole("per_hour", 1, PER_HOUR_MAX),
                handle_s=item.whole("handle_s", 1, 30 * DAY_S),
                concurrency=(
                    item.whole("concurrency", 1, CONCURRENCY_MAX)
                    if "concurrency" in item.values
                    else 0
                ),
            )
            for item in entry.sections("contacts", known, count_max=EXPECTED_MAX)
        ),
    )
