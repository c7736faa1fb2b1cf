"""What Prometheus reads from `/metrics`."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)

REQUESTS = Counter("serving_requests_total", "Requests answered", ["model", "protocol", "code"])
LATENCY = Histogram(
    "serving_request_seconds",
    "Time from request to answer",
    ["model", "protocol"],
    buckets=_SECONDS,
)
BATCH_ROWS = Histogram("serving_batch_rows", "Rows of a batch", ["model"], buckets=_ROWS)
QUEUE_FULL = Counter("serving_queue_full_total", "Requests refused by a full queue", ["model"])
VERSION = Gauge("serving_model_version", "Version that answers", ["model"])


def answered() -> int:
    """Requests that were answered without an error since the start."""
    samples = (sample for metric in REQUESTS.collect() for sample in metric.samples)
    good = (s.value for s in samples if s.name.endswith("_total") and s.labels["code"] == "OK")
    return int(sum(good))
