"""Between protobuf and the channel gap."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from toldonce.api.sla.v1 import sla_pb2
from toldonce.kernel.errors import Invalid
from toldonce.sla.core.counts import FORMULAS, Ledger, Window
from toldonce.sla.core.gap import FIGURES, WAITS, Standing, table

_WINDOWS = {
    sla_pb2.CHANNEL_WINDOW_DAY: Window.DAY,
    sla_pb2.CHANNEL_WINDOW_WEEK: Window.WEEK,
}


def parse_get_channel_gap(request: sla_pb2.GetChannelGapRequest) -> tuple[Window, ...]:
    """Read which windows are asked for; raises Invalid."""
    if request.window == sla_pb2.CHANNEL_WINDOW_UNSPECIFIED:
        return tuple(Window)
    found = _WINDOWS.get(request.window)
    if found is None:
        raise Invalid("window", "there is no such window")
    return (found,)


def format_channels(
    ledger: Ledger, windows: tuple[Window, ...], now: datetime
) -> sla_pb2.GetChannelGapResponse:
    """Show how the channels stand at an instant."""
    named = {window: kind for kind, window in _WINDOWS.items()}
    return sla_pb2.GetChannelGapResponse(
        tables=[
            sla_pb2.ChannelTable(
                window=named[window],
                from_at=_stamp(window.begins_at(now)),
                to_at=_stamp(now),
                standings=map(_standing, table(ledger.of(window, now))),
            )
            for window in windows
        ],
        formulas=[sla_pb2.ChannelFormula(figure=one.name, formula=one.formula) for one in FIGURES],
        formula_version=str(FORMULAS),
        sequence=ledger.position,
    )


def _standing(one: Standing) -> sla_pb2.ChannelStanding:
    made = sla_pb2.ChannelStanding(
        channel=one.channel, figure=one.figure, counted_total=one.count, sure=one.sure
    )
    if one.mean is None:
        return made
    if one.figure in WAITS:
        made.wait.CopyFrom(
            sla_pb2.WaitStanding(
                value_s=one.value, mean_s=one.mean, gap_s=one.gap, half_width_s=one.half_width
            )
        )
        return made
    made.share.CopyFrom(
        sla_pb2.ShareStanding(
            value_ratio=one.value,
            mean_ratio=one.mean,
            gap_ratio=one.gap,
            half_width_ratio=one.half_width,
        )
    )
    return made


def _stamp(instant: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(instant)
    return made
