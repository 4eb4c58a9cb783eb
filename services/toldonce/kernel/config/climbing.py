"""Where a rung of a ladder hands work of a queue: what is done, and what `check` looks at."""

from toldonce.kernel.config.aims import Rung
from toldonce.kernel.config.types import Config


def onward(config: Config, rung: Rung, queue: str) -> str:
    """Name the queue that a rung hands work of `queue` to; "" when it does not, or there is none.

    A rung that names the queue itself hands its work to the next one up.
    """
    if not rung.hands:
        return ""
    if rung.hand_to and rung.hand_to != queue:
        return rung.hand_to if rung.hand_to in config.queues else ""
    found = queue
    for _ in range(max(rung.tiers, 1)):
        known = config.queues.get(found)
        found = "" if known is None else known.escalation_queue
    return found if found in config.queues and found != queue else ""
