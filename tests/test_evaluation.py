"""Evaluation against figures worked out by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from acousticsense.errors import AudioError, SettingsError
from acousticsense.evaluation import ClipResult, Evaluation, LabelledClip, evaluate, measure, read_items, write_report
from acousticsense.results import ClipInfo, HealthReport, ModelInfo, Prediction, Timing


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


def test_a_confidence_of_one_falls_into_the_last_bin() -> None:
    assert measure([clip("A", 1.0, 0.0, 0.0)]).reliability[0].high == 1.0


def test_misjudged_clips_come_surest_first(four: Evaluation) -> None:
    assert [(wrong.genre, wrong.confidence) for wrong in four.misjudged] == [("A", 0.60), ("B", 0.40)]


def test_verdicts_tell_how_often_each_band_was_right(four: Evaluation) -> None:
    assert four.verdicts == {"confident": (1, 1.0), "plausible": (2, 0.5), "unsure": (1, 0.0)}


def test_markdown_names_genres_without_clips(four: Evaluation) -> None:
    assert "No clips of: C." in four.to_markdown()
    assert "| A | 2 | 0.50 |" in four.to_markdown()


def test_dictionary_survives_json(four: Evaluation) -> None:
    assert json.loads(json.dumps(four.to_dict()))["misjudged"][0]["rank_of_genre"] == 2


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(SettingsError, match="nothing to measure"):
        measure([])


def test_report_has_tables_pictures_and_the_misjudged(four: Evaluation, tmp_path: Path) -> None:
    write_report(four, tmp_path / "out")
    with (tmp_path / "out" / "misjudged.csv").open(encoding="utf-8") as file:
        assert [row["predicted"] for row in csv.DictReader(file)] == ["B", "A"]
    for name in ("confusion.png", "reliability.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
    assert "macro F1" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


class Oracle:
    """Answers A for every file but the broken one."""

    def predict(self, source: Path, /) -> Prediction:
        if source.name == "broken.wav":
            raise AudioError("no audio in it")
        return Prediction(
            probabilities={"A": 0.7, "B": 0.3},
            not_music=None,
            verdict="plausible",
            advice=(),
            health=HealthReport(),
            clip=ClipInfo(offset_s=0, duration_s=10, track_duration_s=10, sample_rate_hz=22_050, channels=1),
            model=ModelInfo(name="oracle", architecture="none", weights_sha256="", backend="none"),
            timing_ms=Timing(decode=0, spectrogram=0, network=0, total=0),
        )


def test_unreadable_files_are_listed_and_count_in_no_figure() -> None:
    items = [LabelledClip(Path("a.wav"), "A"), LabelledClip(Path("broken.wav"), "B")]
    result = evaluate(Oracle(), items)
    assert (result.n, result.accuracy) == (1, 1.0)
    assert "no audio" in result.unreadable["broken.wav"]


def test_a_genre_that_the_model_does_not_know_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'Polka' is not a label"):
        evaluate(Oracle(), [LabelledClip(Path("a.wav"), "Polka")])


def test_items_come_from_a_folder_per_genre(tmp_path: Path) -> None:
    for name in ("Jazz/b.wav", "Jazz/deep/a.MP3", "Jazz/cover.jpg", "Blues/c.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [(item.path.name, item.genre) for item in read_items(tmp_path)]
    assert found == [("c.ogg", "Blues"), ("b.wav", "Jazz"), ("a.MP3", "Jazz")]


def test_items_of_a_csv_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,genre\nx/a.wav,Jazz\n", encoding="utf-8")
    assert read_items(tmp_path / "list.csv") == [LabelledClip(tmp_path / "x" / "a.wav", "Jazz")]


def test_a_csv_without_genres_says_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\na.wav,Jazz\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="lacks a column"):
        read_items(tmp_path / "list.csv")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="names no clips"):
        read_items(tmp_path)
