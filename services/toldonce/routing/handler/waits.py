"""How long work of a queue waited lately, as the only honest base for an estimate.

An exponentially weighted mean of the waits that ended, and of how far that mean was off each time.
"""

from dataclasses import dataclass

_WEIGHT = 0.1


@dataclass(slots=True)
class _Recent:
    mean_s: float
    error_s: float = 0.0


class Waits:
    """The recent waits of one tenant, by queue."""

    def __init__(self) -> None:
        """Nothing has ended yet."""
        self._recent: dict[str, _Recent] = {}

    def ended(self, queue: str, wait_s: float) -> None:
        """Note that work of a queue found its owner after `wait_s`."""
        known = self._recent.get(queue)
        if known is None:
            self._recent[queue] = _Recent(wait_s)
            return
        known.error_s += _WEIGHT * (abs(wait_s - known.mean_s) - known.error_s)
        known.mean_s += _WEIGHT * (wait_s - known.mean_s)

    def estimate(self, queue: str) -> tuple[float, float]:
        """Give the expected wait of work that comes now, and the mean absolute error, seconds."""
        known = self._recent.get(queue)
        return (0.0, 0.0) if known is None else (known.mean_s, known.error_s)
