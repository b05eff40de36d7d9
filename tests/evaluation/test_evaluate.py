"""Evaluation against figures worked out by hand."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from acousticsense.audio.types import ClipInfo, HealthReport
from acousticsense.errors import AudioError, SettingsError
from acousticsense.evaluation.calibration import with_counts
from acousticsense.evaluation.dataset import LabelledClip, read_items
from acousticsense.evaluation.evaluate import evaluate
from acousticsense.evaluation.metrics import measure
from acousticsense.evaluation.plots import drawable
from acousticsense.evaluation.report import report_markdown, write_report
from acousticsense.evaluation.results import ClipResult, Evaluation, NotMusic
from acousticsense.inference.prediction import ModelInfo, Prediction, Timing
from acousticsense.models.spec import Calibration


def clip(genre: str, a: float, b: float, c: float, verdict: str = "plausible") -> ClipResult:
    return ClipResult(path=Path(f"{genre}.wav"), genre=genre, probabilities={"A": a, "B": b, "C": c}, verdict=verdict)


@pytest.fixture
def four() -> Evaluation:
    """Two clips of A (one right), two of B (one right), none of C."""
    return measure(
        [
            clip("A", 0.95, 0.03, 0.02, "confident"),
            clip("A", 0.30, 0.60, 0.10),
            clip("B", 0.15, 0.65, 0.20),
            clip("B", 0.40, 0.25, 0.35, "unsure"),
        ]
    )


def test_accuracy_is_the_share_of_right_answers(four: Evaluation) -> None:
    assert (four.n, four.accuracy) == (4, 0.5)


def test_top3_of_three_labels_is_always_right(four: Evaluation) -> None:
    assert four.top3 == 1.0


def test_recall_and_support_name_only_genres_that_have_clips(four: Evaluation) -> None:
    assert four.recall == {"A": 0.5, "B": 0.5}
    assert four.support == {"A": 2, "B": 2}


def test_macro_f1_averages_over_present_genres(four: Evaluation) -> None:
    # A: found 1, true 2, predicted 2 -> 2 * 1 / 4; B: found 1, true 2, predicted 2 -> the same
    assert four.macro_f1 == pytest.approx(0.5)


def test_confusion_counts_true_by_predicted(four: Evaluation) -> None:
    assert four.confusion == ((1, 1, 0), (1, 1, 0), (0, 0, 0))


def test_calibration_error_weights_bins_by_their_clips(four: Evaluation) -> None:
    # bins: 0.9..1 (0.95, right), 0.6..0.7 (0.60 wrong, 0.65 right), 0.4..0.5 (0.40, wrong)
    expected = (1 * abs(0.95 - 1.0) + 2 * abs(0.625 - 0.5) + 1 * abs(0.40 - 0.0)) / 4
    assert four.ece == pytest.approx(expected)
    assert [entry.count for entry in four.reliability] == [1, 2, 1]


@pytest.mark.parametrize(
    ("n", "expected"),
    # of one clip of each: 0.6 * 0.4 + 0.4 * 0.6 and 0.9 * 0.1 + 0.1 * 0.9, halved; of many, the mean of a normal's
    # absolute value, sqrt(2 / pi) deviations
    [(1, 0.33), (400, math.sqrt(2 / math.pi) * (math.sqrt(0.24 / 400) + math.sqrt(0.09 / 400)) / 2)],
)
def test_the_calibration_error_of_an_honest_model_depends_on_the_number_of_clips(n: int, expected: float) -> None:
    result = measure([clip("A", 0.6, 0.3, 0.1), clip("A", 0.9, 0.1, 0.0)] * n)
    assert result.expected_ece == pytest.approx(expected, rel=0.05)
    assert result.metrics()["expected_ece"] == result.expected_ece
    assert f"calibration error of {result.expected_ece:.3f} on these clips." in report_markdown(result)


def test_a_confidence_of_one_falls_into_the_last_bin() -> None:
    assert measure([clip("A", 1.0, 0.0, 0.0)]).reliability[0].high == 1.0


def test_misclassified_clips_come_surest_first(four: Evaluation) -> None:
    assert [(wrong.genre, wrong.confidence) for wrong in four.misclassified] == [("A", 0.60), ("B", 0.40)]


def test_verdicts_tell_how_often_each_level_was_right(four: Evaluation) -> None:
    assert four.verdicts == {"confident": (1, 1.0), "plausible": (2, 0.5), "unsure": (1, 0.0)}


def test_a_verdict_on_music_is_right_as_it_was_worded(four: Evaluation) -> None:
    """A mix of A and B is right about either; that music is not music is wrong, and nobody is told a share of it."""
    mixed, refused = clip("B", 0.5, 0.4, 0.1, "mixed"), clip("A", 0.9, 0.05, 0.05, "not_music")
    result = measure([*four.clips, *[mixed] * 8, *[refused] * 8])
    assert result.verdicts["mixed"] == (8, 1.0)
    assert result.verdicts["not_music"] == (8, 0.0)
    assert result.level_counts == {"confident": (1, 1), "plausible": (1, 2), "unsure": (0, 1), "mixed": (8, 8)}
    short = [replace(clip("A", 0.9, 0.05, 0.05, "unsure"), too_short=True)] * 9
    assert measure([*four.clips, *short]).level_counts["unsure"] == (0, 1)  # users are told that it is short instead
    told = with_counts(Calibration(), result.level_counts)
    assert told.level_counts == {"mixed": (8, 8)}  # of fewer answers nobody is told a share
    assert told.level_accuracy == {"mixed": 1.0}


def test_markdown_names_genres_without_clips(four: Evaluation) -> None:
    assert four.unmeasured == ("C",)
    assert "No clips of: C. Nothing is known of these; the macro figures average over the other 2" in report_markdown(
        four
    )
    assert "Fewer than 5 clips, so that the recall says little: A, B." in report_markdown(four)
    assert "| A | 2 | 0.50 | 0.09 to 0.91 |" in report_markdown(four)


def test_accuracy_and_recall_come_with_their_uncertainty(four: Evaluation) -> None:
    assert four.accuracy_interval == pytest.approx((0.150, 0.850), abs=1e-3)
    assert four.recall_interval["B"] == pytest.approx((0.0945, 0.9055), abs=1e-3)
    assert "| 4 | 0.500 | 0.15 to 0.85 |" in report_markdown(four)


def test_what_is_not_music_counts_in_a_figure_of_its_own(four: Evaluation) -> None:
    others = [clip("not_music", 0.5, 0.3, 0.2, verdict) for verdict in ("not_music", "not_music", "unsure")]
    refused = clip("A", 0.9, 0.05, 0.05, "not_music")
    result = measure([*four.clips, refused, *others])
    assert result.not_music == NotMusic(n=3, caught=pytest.approx(2 / 3), refused=pytest.approx(1 / 5))
    assert (result.n, result.accuracy) == (5, 0.6)
    assert "67% of 3 such clips are caught, 20.0% of the music is refused" in report_markdown(result)
    assert json.loads(json.dumps(result.to_dict()))["not_music"]["n"] == 3
    assert four.not_music is None


def test_nothing_but_what_is_not_music_is_nothing_to_measure() -> None:
    with pytest.raises(SettingsError, match="No clip of music"):
        measure([clip("not_music", 0.5, 0.3, 0.2)])


def test_dictionary_survives_json(four: Evaluation) -> None:
    assert json.loads(json.dumps(four.to_dict()))["misclassified"][0]["rank_of_genre"] == 2


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(SettingsError, match="nothing to measure"):
        measure([])


def test_report_has_tables_images_and_the_misclassified(four: Evaluation, tmp_path: Path) -> None:
    write_report(four, tmp_path / "out")
    assert (tmp_path / "out" / "misclassified.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "out" / "misclassified.csv").open(encoding="utf-8-sig") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == ["B", "A"]
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "macro F1" in report
    assert "| A.wav | A | B | 0.60 |" in report


@pytest.mark.parametrize("n_labels", [1, 2, 40])
def test_reports_hold_any_number_of_labels_in_any_script(n_labels: int, tmp_path: Path) -> None:
    labels = [f"{name} {number}" for number in range(n_labels) for name in ("京剧 $R&B$ | _x_",)]
    rest = dict.fromkeys(labels, 0.0)
    result = measure(
        [
            ClipResult(path=Path("a.wav"), genre=label, probabilities={**rest, label: 1.0}, verdict="mixed")
            for label in labels
        ]
    )
    write_report(result, tmp_path)
    assert f"| 京剧 $R&B$ \\| _x_ {n_labels - 1} | 1 |" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "confusion.png").stat().st_size > 0


def test_a_label_that_no_font_can_draw_becomes_its_number() -> None:
    assert drawable(["Rock", "\U000130d8", "A" * 40])[0] == ["Rock", "label 2", "A" * 23 + "…"]


class Oracle:
    """Answers A for every file but the broken one."""

    def predict(self, source: Path, /) -> Prediction:
        if source.name == "broken.wav":
            raise AudioError("no audio in it")
        return Prediction(
            probabilities={"A": 0.6, "B": 0.3, "C": 0.1},
            not_music=None,
            verdict="plausible",
            advice=(),
            health=HealthReport(),
            clip=ClipInfo(offset_s=0, duration_s=10, track_duration_s=10, sample_rate_hz=22_050, channels=1),
            model=ModelInfo(name="oracle", architecture="none", weights_sha256="", spectrogram="mel", backend="none"),
            timing_ms=Timing(decode=0, spectrogram=0, network=0, total=0),
        )


def test_unreadable_files_are_listed_and_count_in_no_figure() -> None:
    items = [LabelledClip(Path("a.wav"), "A"), LabelledClip(Path("broken.wav"), "B")]
    result = evaluate(Oracle(), items)
    assert (result.n, result.accuracy) == (1, 1.0)
    assert "Not analysed: 1 files" in report_markdown(result)
    assert "no audio" in result.unreadable["broken.wav"]


def test_a_genre_that_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'Polka' is not a label"):
        evaluate(Oracle(), [LabelledClip(Path("a.wav"), "Polka")])


def test_items_come_from_a_folder_per_genre(tmp_path: Path) -> None:
    for name in ("Jazz/b.wav", "Jazz/deep/a.MP3", "Jazz/cover.jpg", "Blues/c.ogg", "Blues/._c.ogg", ".x/d.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [(item.path.name, item.genre) for item in read_items(tmp_path)]
    assert found == [("c.ogg", "Blues"), ("b.wav", "Jazz"), ("a.MP3", "Jazz")]


def test_items_of_a_csv_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,genre\nx/a.wav,Jazz\n", encoding="utf-8")
    assert read_items(tmp_path / "list.csv") == [LabelledClip(tmp_path / "x" / "a.wav", "Jazz")]


def test_a_csv_may_name_groups(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,genre,group\na.wav,Jazz, Ella \n", encoding="utf-8")
    assert read_items(tmp_path / "list.csv") == [LabelledClip(tmp_path / "a.wav", "Jazz", "Ella")]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="names no clips"):
        read_items(tmp_path)


def test_names_that_are_no_text_are_printable_in_the_report() -> None:
    clips = [LabelledClip(Path(f"Gen\udce8ve {label}.wav"), label) for label in ("A", "B")]
    written = json.dumps(evaluate(Oracle(), clips).to_dict(), ensure_ascii=False)
    assert written.encode()
    assert "Gen\\\\xe8ve" in written
