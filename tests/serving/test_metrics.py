"""What Prometheus reads."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from acousticsense.inference.prediction import Timing
from acousticsense.serving.metrics import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_all_that_happens_is_counted_under_the_names_that_dashboards_know() -> None:
    metrics = Metrics(is_ready=lambda: True, n_inside=lambda: 3)
    metrics.answered(0.2)
    metrics.answered(0.3)
    metrics.failed("overloaded")
    metrics.timeline()
    metrics.batch(7)
    found = samples(metrics)
    assert found["acousticsense_predictions_total"] == 2
    assert found["acousticsense_prediction_seconds_total"] == 0.5
    assert found["acousticsense_errors_total code=overloaded"] == 1
    assert (found["acousticsense_timelines_total"], found["acousticsense_batch_files_total"]) == (1, 7)
    assert (found["acousticsense_ready"], found["acousticsense_requests_inside"]) == (1, 3)


def test_each_stage_has_a_histogram_in_seconds() -> None:
    metrics = Metrics(is_ready=lambda: True, n_inside=lambda: 0)
    metrics.timing(Timing(decode=20, spectrogram=4, network=300, total=330))
    found = samples(metrics)
    assert found["acousticsense_stage_seconds_sum stage=network"] == 0.3
    assert found["acousticsense_stage_seconds_bucket le=0.01 stage=decode"] == 0
    assert found["acousticsense_stage_seconds_bucket le=0.025 stage=decode"] == 1


def test_two_applications_in_one_process_do_not_mix() -> None:
    one, other = (Metrics(is_ready=lambda: True, n_inside=lambda: 0) for _ in range(2))
    one.answered(1.0)
    assert samples(other)["acousticsense_predictions_total"] == 0
