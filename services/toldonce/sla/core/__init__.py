"""What clocks ask of ownership, who will soon be late, and what was served where. Pure, all of it.

`planning` says which timers a story wants, `acts` what each asks when its instant has come. `dues`
says when clocks are due, `horizon` keeps cases in that order, `predicting` says whose line is
longer than their time. `served` says what one append tells of the service given on a channel,
`counts` adds that up in windows of event time, `gap` compares the channels.
"""

from toldonce.sla.core.acts import ACTOR, SERVICE, Act, acts_of, operation_of
from toldonce.sla.core.dues import Due, Dues, Looming
from toldonce.sla.core.horizon import Horizon
from toldonce.sla.core.planning import Planning
from toldonce.sla.core.predicting import Outlook, Prediction, predict

__all__ = [
    "ACTOR",
    "Act",
    "Due",
    "Dues",
    "Horizon",
    "Looming",
    "Outlook",
    "Planning",
    "Prediction",
    "SERVICE",
    "acts_of",
    "operation_of",
    "predict",
]
