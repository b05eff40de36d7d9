"""A timeline: every window says what a prediction of the same excerpt says, however long the track."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from acousticsense.analysis.exports import audacity_labels, timeline_csv
from acousticsense.analysis.payload import timeline_payload
from acousticsense.analysis.results import Timeline
from acousticsense.analysis.timeline import make_timeline
from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AudioDecodeError, AudioTooLargeError, RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import WindowPolicy
from tests.conftest import RATE_HZ, play_chords

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load("tiny", settings=Settings(models=tiny_models, device="cpu"))


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of music, 12 s of silence, 7 s of music."""
    path = tmp_path_factory.mktemp("track") / "track.wav"
    silence = np.zeros((12 * RATE_HZ, 2), np.float32)
    soundfile.write(path, np.concatenate([play_chords(12.0), silence, play_chords(7.0, seed=1)]), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def timeline(classifier: GenreClassifier, track: Path) -> Timeline:
    return make_timeline(classifier, track, window_s=4.0)


def same_as_predict(classifier: GenreClassifier, path: Path, timeline: Timeline) -> None:
    analysed = [window for window in timeline.windows if window.verdict != "silence"]
    assert analysed
    for window in analysed:
        single = classifier.predict(path, offset_s=window.start_s, duration_s=timeline.window_s)
        assert dict(window.probabilities) == pytest.approx(dict(single.probabilities), abs=2e-3)
        assert window.not_music == pytest.approx(single.not_music, abs=2e-3)
        assert window.end_s - window.start_s == pytest.approx(single.clip.duration_s, abs=1e-3)


@pytest.mark.parametrize(("window_s", "hop_s", "offset_s"), [(10.0, 10.0, 0.0), (4.0, 3.0, 1.7), (14.0, 7.0, 0.0)])
@pytest.mark.parametrize("kind", ["wav", "mp3"])
def test_a_window_says_what_a_prediction_says(  # noqa: PLR0917 - fixtures and parameters
    classifier: GenreClassifier,
    music_wav: Path,
    music_mp3: Path,
    kind: str,
    window_s: float,
    hop_s: float,
    offset_s: float,
) -> None:
    path = music_wav if kind == "wav" else music_mp3
    made = make_timeline(classifier, path, window_s=window_s, hop_s=hop_s, offset_s=offset_s)
    same_as_predict(classifier, path, made)
    assert [window.start_s for window in made.windows] == [offset_s + n * hop_s for n in range(len(made.windows))]


def test_models_that_draw_figures_and_vote_by_majority(classifier: GenreClassifier, music_wav: Path) -> None:
    windows = WindowPolicy(window_s=3.0, anchor="center", vote="majority", default_duration_s=None)
    front_end = replace(classifier.spec.front_end, style="figure", top_db=80.0)
    spec = replace(classifier.spec, windows=windows, front_end=front_end)
    voting = GenreClassifier(classifier._network, spec, device=classifier.device)
    same_as_predict(voting, music_wav, make_timeline(voting, music_wav, window_s=6.0))


def test_windows_follow_each_other_as_long_as_half_a_window_is_left(timeline: Timeline) -> None:
    assert timeline.window_s == timeline.hop_s == 4.0
    assert [window.start_s for window in timeline.windows] == [0, 4, 8, 12, 16, 20, 24, 28]
    assert timeline.windows[-1].end_s == pytest.approx(31.0, abs=1e-3)
    assert timeline.clip.duration_s == timeline.clip.track_duration_s == pytest.approx(31.0)


def test_silence_is_marked_and_not_analysed(timeline: Timeline) -> None:
    assert [window.verdict == "silence" for window in timeline.windows] == [False] * 3 + [True] * 3 + [False] * 2
    assert timeline.windows[3].probabilities == {}
    assert [segment.verdict == "silence" for segment in timeline.segments].count(True) == 1
    gap = next(segment for segment in timeline.segments if segment.verdict == "silence")
    assert (gap.start_s, gap.end_s, gap.genre) == (12.0, 24.0, None)


def test_segments_cover_the_track_without_gaps(timeline: Timeline) -> None:
    assert timeline.segments[0].start_s == 0
    assert timeline.segments[-1].end_s == pytest.approx(31.0)
    for before, after in zip(timeline.segments, timeline.segments[1:], strict=False):
        assert before.end_s == after.start_s


def test_a_track_shorter_than_a_window_is_one_window(classifier: GenreClassifier, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "short.wav", play_chords(2.0), RATE_HZ)
    made = make_timeline(classifier, tmp_path / "short.wav")
    assert len(made.windows) == len(made.segments) == 1
    same_as_predict(classifier, tmp_path / "short.wav", made)


def test_a_excerpt_of_the_track(classifier: GenreClassifier, track: Path) -> None:
    made = make_timeline(classifier, track, window_s=2.0, offset_s=3.0, duration_s=5.0)
    assert [window.start_s for window in made.windows] == [3, 5, 7]
    assert (made.clip.offset_s, made.clip.duration_s, made.clip.track_duration_s) == pytest.approx((3, 5, 31))


# --- limits


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_s": 0.5}, r"window_s is 0\.5"),
        ({"window_s": 61.0}, "window_s is 61"),
        ({"window_s": float("nan")}, "window_s is nan"),
        ({"hop_s": 0.0}, "hop_s is 0"),
        ({"hop_s": float("inf")}, "hop_s is inf"),
        ({"window_s": "5"}, r"window_s is '5'\. Give a number of seconds"),
        ({"hop_s": True}, "hop_s is 'True'"),
        ({"min_segment_s": "0"}, "min_segment_s is '0'"),
        ({"offset_s": "1"}, "offset asked for is '1'"),
        ({"duration_s": "10"}, "duration asked for is '10'"),
        ({"min_segment_s": -1.0}, "min_segment_s is -1"),
        ({"offset_s": -1.0}, "offset asked for is -1"),
        ({"hop_s": 0.5, "max_windows": 20}, r"window every 0\.5 s makes more than 20 windows"),
    ],
)
def test_impossible_arguments(classifier: GenreClassifier, track: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        make_timeline(classifier, track, **options)  # type: ignore[arg-type]  # the point of the test
    assert re.search(message, str(caught.value))
    assert caught.value.hint


def test_a_track_over_the_limit(classifier: GenreClassifier, track: Path) -> None:
    limited = GenreClassifier(
        classifier._network, classifier.spec, device=classifier.device, limits=AudioLimits(max_stream_s=20.0)
    )
    with pytest.raises(AudioTooLargeError, match="longer than 20 s"):
        make_timeline(limited, track)
    assert make_timeline(limited, track, duration_s=20.0).clip.duration_s == 20.0


def test_what_is_no_audio(classifier: GenreClassifier, tmp_path: Path) -> None:
    (tmp_path / "words.mp3").write_text("no music")
    with pytest.raises(AudioDecodeError):
        make_timeline(classifier, tmp_path / "words.mp3")


# --- progress and cancelling


def test_progress_goes_from_nothing_to_the_end(classifier: GenreClassifier, track: Path) -> None:
    told: list[tuple[float, float | None]] = []
    make_timeline(classifier, track, window_s=2.0, progress=lambda done_s, total_s: told.append((done_s, total_s)))
    assert told[0] == (0.0, pytest.approx(31.0))
    assert told[-1][0] == pytest.approx(31.0, abs=1.0)
    assert [done_s for done_s, _ in told] == sorted(done_s for done_s, _ in told)
    assert len(told) > 3


def test_what_progress_raises_ends_the_work_and_its_threads(classifier: GenreClassifier, track: Path) -> None:
    class EnoughError(Exception):
        pass

    def stop(done_s: float, _: float | None) -> None:
        if done_s:
            raise EnoughError

    threads = threading.active_count()
    with track.open("rb") as file:
        with pytest.raises(EnoughError):
            make_timeline(classifier, file, window_s=1.0, progress=stop)
        assert not file.closed
    assert threading.active_count() == threads


_MEASURE = """
import resource, sys
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.analysis.timeline import make_timeline
classifier = GenreClassifier.load()
make_timeline(classifier, sys.argv[1], window_s=10, duration_s=60)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
timeline = make_timeline(classifier, sys.argv[1], window_s=10, hop_s=60)
print(timeline.clip.duration_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_half_an_hour_takes_no_more_memory_than_a_minute(tiny_models: Path, tmp_path: Path) -> None:
    """1800 s of stereo mp3 at 16 kHz: 230 MB if they were decoded at once."""
    minute = tmp_path / "minute.mp3"
    soundfile.write(minute, np.tile(play_chords(12.0)[: 12 * 16_000], (5, 1)), 16_000)
    half_an_hour = tmp_path / "half an hour.mp3"
    half_an_hour.write_bytes(minute.read_bytes() * 30)
    environ = {"ACOUSTICSENSE_MODELS": str(tiny_models), "ACOUSTICSENSE_MODEL": "tiny", "ACOUSTICSENSE_DEVICE": "cpu"}
    command = [sys.executable, "-c", _MEASURE, str(half_an_hour)]
    done = subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, text=True)
    duration_s, growth_mib = map(float, done.stdout.split())
    assert duration_s == pytest.approx(1800, rel=0.01)
    assert growth_mib < 60


# --- files


def test_the_table_has_a_row_per_window(timeline: Timeline) -> None:
    rows = list(csv.DictReader(io.StringIO(timeline_csv(timeline))))
    assert len(rows) == len(timeline.windows)
    first = timeline.windows[0]
    assert first.best is not None
    assert (rows[0]["start_s"], rows[0]["end_s"], rows[0]["genre"]) == ("0.000", "4.000", first.best.label)
    assert float(rows[0]["Jazz"]) == pytest.approx(first.probabilities["Jazz"], abs=1e-6)
    assert (rows[3]["verdict"], rows[3]["genre"], rows[3]["Jazz"]) == ("silence", "", "")
    numbers = [int(row["segment"]) for row in rows]
    assert numbers == sorted(numbers)
    assert numbers[-1] == len(timeline.segments)


def test_audacity_labels_are_the_segments(timeline: Timeline) -> None:
    lines = audacity_labels(timeline).splitlines()
    assert len(lines) == len(timeline.segments)
    for line, segment in zip(lines, timeline.segments, strict=True):
        start, end, title = line.split("\t")
        assert (float(start), float(end)) == pytest.approx((segment.start_s, segment.end_s), abs=1e-6)
        assert title.startswith(segment.genre or "Silence")


def test_the_payload_is_plain_json(timeline: Timeline) -> None:
    body = timeline_payload(timeline)
    assert [window["start_s"] for window in body["windows"]] == [window.start_s for window in timeline.windows]
    assert set(body["windows"][0]["probabilities"]) == set(timeline.labels)
    assert body["segments"][-1]["end_s"] == timeline.segments[-1].end_s
    assert body["model"]["name"] == "tiny"
    assert body["timing_ms"]["total"] >= body["timing_ms"]["network"] > 0
