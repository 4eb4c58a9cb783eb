"""How the channels stand beside each other, as a client sees it."""

from dataclasses import dataclass
from datetime import datetime

from toldonce.api.sla.v1 import sla_pb2
from toldonce.client.channel import Client
from toldonce.client.retry import again
from toldonce.client.seen import instant, word


@dataclass(frozen=True, slots=True)
class StandingSeen:
    """A figure of a channel: a share from 0 to 1, or a `wait` in seconds; None: not known.

    `gap` is what it differs from the `mean` of all channels, by chance up to `half_width`; `sure`:
    by more than that.
    """

    channel: str
    figure: str
    wait: bool
    value: float | None
    mean: float | None
    gap: float | None
    half_width: float | None
    count: int
    sure: bool


@dataclass(frozen=True, slots=True)
class TableSeen:
    """The channels in one window, `DAY` or `WEEK`."""

    window: str
    from_at: datetime | None
    to_at: datetime | None
    standings: tuple[StandingSeen, ...]


@dataclass(frozen=True, slots=True)
class ChannelsSeen:
    """All windows, the words of each figure's formula and their version.

    `sequence` is the log position of the last thing counted, 0 while nothing was.
    """

    tables: tuple[TableSeen, ...]
    formulas: dict[str, str]
    formula_version: str
    sequence: int


async def channels(client: Client, window: str = "") -> ChannelsSeen:
    """Compare the channels in `DAY`, `WEEK` or ("") both; raises Unavailable, Denied."""
    kind = sla_pb2.ChannelWindow.Value(f"CHANNEL_WINDOW_{window or 'UNSPECIFIED'}")
    request = sla_pb2.GetChannelGapRequest(window=kind)
    found = await again(lambda: client.sla.GetChannelGap(request))
    return ChannelsSeen(
        tables=tuple(
            TableSeen(
                window=word(one, "window"),
                from_at=instant(one.from_at),
                to_at=instant(one.to_at),
                standings=tuple(map(_seen, one.standings)),
            )
            for one in found.tables
        ),
        formulas={one.figure: one.formula for one in found.formulas},
        formula_version=found.formula_version,
        sequence=found.sequence,
    )


def _seen(one: sla_pb2.ChannelStanding) -> StandingSeen:
    wait = one.WhichOneof("standing") == "wait"
    value, mean, gap, half_width = _of_wait(one.wait) if wait else _of_share(one)
    return StandingSeen(
        channel=one.channel,
        figure=one.figure,
        wait=wait,
        value=value,
        mean=mean,
        gap=gap,
        half_width=half_width,
        count=one.counted_total,
        sure=one.sure,
    )


type _Numbers = tuple[float | None, float | None, float | None, float | None]


def _of_wait(wait: sla_pb2.WaitStanding) -> _Numbers:
    return (
        wait.value_s if wait.HasField("value_s") else None,
        wait.mean_s,
        wait.gap_s if wait.HasField("gap_s") else None,
        wait.half_width_s if wait.HasField("half_width_s") else None,
    )


def _of_share(one: sla_pb2.ChannelStanding) -> _Numbers:
    share = one.share
    return (
        share.value_ratio if share.HasField("value_ratio") else None,
        share.mean_ratio if one.HasField("share") else None,
        share.gap_ratio if share.HasField("gap_ratio") else None,
        share.half_width_ratio if share.HasField("half_width_ratio") else None,
    )
