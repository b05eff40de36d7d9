"""What `/metrics` tells Prometheus: a registry for each application, so that two in one process do not mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from acousticsense.inference.prediction import Timing

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
#: Upper bounds in seconds: a stage takes milliseconds, a whole track or a full queue a minute.
_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Counters and histograms of one application.

    Args:
        n_inside: requests that are answered or wait.
    """

    def __init__(self, *, is_ready: Callable[[], bool], n_inside: Callable[[], int]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self._predictions = Counter("acousticsense_predictions", "Clips answered.", registry=registry)
        self._seconds = Counter(
            "acousticsense_prediction_seconds", "Seconds spent on answered clips, waiting included.", registry=registry
        )
        self._timelines = Counter("acousticsense_timelines", "Timelines finished.", registry=registry)
        self._files = Counter("acousticsense_batch_files", "Files of batches that have a row.", registry=registry)
        self._errors = Counter(
            "acousticsense_errors",
            "Requests that a queue refused, or that failed while they were computed, by error code.",
            ["code"],
            registry=registry,
        )
        self._stages = Histogram(
            "acousticsense_stage_seconds",
            "Seconds by stage of an answer: queue, decode, spectrogram, network; answer is all of them.",
            ["stage"],
            buckets=_BUCKETS,
            registry=registry,
        )
        ready = Gauge("acousticsense_ready", "Whether the server answers requests.", registry=registry)
        ready.set_function(is_ready)
        inside = Gauge("acousticsense_requests_inside", "Requests being answered or waiting.", registry=registry)
        inside.set_function(n_inside)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def answered(self, seconds: float) -> None:
        """One answer, after so many seconds."""
        self._predictions.inc()
        self._seconds.inc(seconds)
        self.stage("answer", seconds)

    def failed(self, code: str) -> None:
        """One refusal, by error code."""
        self._errors.labels(code).inc()

    def stage(self, name: str, seconds: float) -> None:
        """What one stage of an answer took."""
        self._stages.labels(name).observe(seconds)

    def timing(self, timing_ms: Timing) -> None:
        """What the stages of a prediction took."""
        for name in ("decode", "spectrogram", "network"):
            self.stage(name, getattr(timing_ms, name) / 1000)

    def timeline(self) -> None:
        """One finished timeline."""
        self._timelines.inc()

    def batch(self, n_files: int) -> None:
        """So many files of one batch have a row."""
        self._files.inc(n_files)
