"""What clocks ask of ownership (`acts`), who will soon be late, and what was served where.

`dues` says when clocks are due, `horizon` keeps cases in that order, `predicting` says whose line
is longer than their time. `served` says what one append tells of the service given on a channel,
`counts` adds that up in windows of event time, `gap` compares the channels. Pure, all of it.
"""

from toldonce.sla.core.acts import Act, acts_of, operation_of, planned
from toldonce.sla.core.dues import Due, Dues, Looming
from toldonce.sla.core.horizon import Horizon
from toldonce.sla.core.predicting import Outlook, Prediction, predict

__all__ = [
    "Act",
    "Due",
    "Dues",
    "Horizon",
    "Looming",
    "Outlook",
    "Prediction",
    "acts_of",
    "operation_of",
    "planned",
    "predict",
]
