"""What Prometheus reads from `/metrics`."""

from collections.abc import Callable, Iterable

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)

REQUESTS = Counter("serving_requests_total", "Requests answered", ["model", "protocol", "code"])
LATENCY = Histogram(
    "serving_request_seconds",
    "Time from request to answer",
    ["model", "protocol", "code"],
    buckets=_SECONDS,
)
REQUEST_ROWS = Histogram("serving_request_rows", "Rows of a request", ["model"], buckets=_ROWS)
BATCH_ROWS = Histogram("serving_batch_rows", "Rows of a batch", ["model"], buckets=_ROWS)
QUEUE_FULL = Counter("serving_queue_full_total", "Requests refused by a full queue", ["model"])
DROPPED = Counter(
    "serving_dropped_total",
    "Requests that were expired or cancelled before the model saw them, unsent, or left unread",
    ["model", "reason"],
)


def count(model: str, protocol: str, code: str, seconds: float) -> None:
    """Counts an answer."""
    REQUESTS.labels(model, protocol, code).inc()
    LATENCY.labels(model, protocol, code).observe(seconds)


def answered() -> int:
    """Requests that were answered without an error since the start."""
    samples = (sample for metric in REQUESTS.collect() for sample in metric.samples)
    good = (s.value for s in samples if s.name.endswith("_total") and s.labels["code"] == "OK")
    return int(sum(good))


class LoadCollector(Collector):
    """What answers and what waits at the moment of a scrape.

    Args: loads: function → (model, its newest version, rows that wait, requests in flight, seconds
        of the oldest) of each model.
    """

    def __init__(self, loads: Callable[[], Iterable[tuple[str, int, int, int, float]]]):
        self._loads = loads
        REGISTRY.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        gauges = [
            GaugeMetricFamily(f"serving_{name}", text, labels=["model"])
            for name, text in (
                ("model_version", "Newest version that answers"),
                ("queued_rows", "Rows that wait for the model"),
                ("in_flight", "Requests that are accepted and not answered"),
                ("oldest_request_seconds", "Age of the oldest request in flight"),
            )
        ]
        for model, *values in self._loads():
            for gauge, value in zip(gauges, values, strict=True):
                gauge.add_metric([model], value)
        return gauges
