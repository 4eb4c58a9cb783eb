"""How a process counts: metrics of three kinds, and the page that Prometheus reads."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import prometheus_client as prometheus

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

type _Any = prometheus.Counter | prometheus.Gauge | prometheus.Histogram


class Kind(Enum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and what it means."""

    name: str
    kind: Kind
    unit: str
    formula: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = SECONDS


class Meter:
    """The metrics of one process (or of one test)."""

    def __init__(self) -> None:
        """Start without any metric."""
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = prometheus.CollectorRegistry()
        self._families: dict[str, _Any] = {}
        self._children: dict[tuple[str, ...], Any] = {}

    def declare(self, metric: Metric) -> None:
        """Export a metric although nothing has happened yet (a counter without labels shows 0)."""
        self._family(metric)

    def add(self, metric: Metric, *labels: str, by: float = 1.0) -> None:
        """Count."""
        self._child(metric, labels).inc(by)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        self._child(metric, labels).set(value)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add one observation to a histogram, in the metric's unit."""
        self._child(metric, labels).observe(value)

    def clear(self, metric: Metric) -> None:
        """Export nothing of a metric until it is set again: what was said is not so any more."""
        family = self._families.pop(metric.name, None)
        if family is not None:
            self.registry.unregister(family)
            for key in [key for key in self._children if key[0] == metric.name]:
                del self._children[key]

    def page(self) -> bytes:
        """Write everything in the Prometheus text format."""
        return prometheus.generate_latest(self.registry)

    def _child(self, metric: Metric, labels: tuple[str, ...]) -> Any:  # noqa: ANN401 - any kind
        key = (metric.name, *labels)
        child = self._children.get(key)
        if child is None:
            family = self._family(metric)
            child = self._children[key] = family.labels(*labels) if labels else family
        return child

    def _family(self, metric: Metric) -> _Any:
        family = self._families.get(metric.name)
        if family is None:
            family = self._families[metric.name] = self._make(metric)
        return family

    def _make(self, metric: Metric) -> _Any:
        said = f"[{metric.unit}] {metric.formula}"
        match metric.kind:
            case Kind.COUNTER:
                return prometheus.Counter(metric.name, said, metric.labels, registry=self.registry)
            case Kind.GAUGE:
                return prometheus.Gauge(metric.name, said, metric.labels, registry=self.registry)
            case Kind.HISTOGRAM:
                return prometheus.Histogram(
                    metric.name, said, metric.labels, registry=self.registry, buckets=metric.buckets
                )
