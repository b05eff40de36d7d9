"""What most of a song is, and when that contradicts its first seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acousticsense.analysis.results import Segment, Timeline, TimelineVerdict, TimelineWindow
from acousticsense.analysis.whole_song import contradicts, sum_up
from acousticsense.audio.types import ClipInfo
from acousticsense.inference.prediction import ModelInfo, Timing

LABELS = ("Jazz", "Pop", "Rock")
Part = tuple[float, str, TimelineVerdict]


def timeline(*parts: Part, share: float = 0.8) -> Timeline:
    """A track of windows of 10 s: each part so many seconds of a label (probability `share`, the next label has the
    rest), or of "silence" or "not_music"."""
    windows: list[TimelineWindow] = []
    segments: list[Segment] = []
    end_s = 0.0
    for seconds, what, verdict in parts:
        genre = what if what in LABELS else None
        likely = dict.fromkeys(LABELS, 0.0)
        if genre:
            likely[genre], likely[LABELS[LABELS.index(genre) - 1]] = share, 1 - share
        else:
            likely["Rock"] = 1.0
        for n in range(int(seconds / 10)):
            start_s = end_s + 10 * n
            probabilities = {} if verdict == "silence" else likely
            windows.append(
                TimelineWindow(
                    start_s=start_s, end_s=start_s + 10, probabilities=probabilities, not_music=None, verdict=verdict
                )
            )
        segments.append(
            Segment(
                start_s=end_s, end_s=end_s + seconds, genre=genre, confidence=share if genre else None, verdict=verdict
            )
        )
        end_s += seconds
    return Timeline(
        windows=tuple(windows),
        segments=tuple(segments),
        labels=LABELS,
        window_s=10.0,
        hop_s=10.0,
        clip=ClipInfo(offset_s=0.0, duration_s=end_s, track_duration_s=end_s, sample_rate_hz=44_100, channels=2),
        model=ModelInfo(name="m", architecture="a", weights_sha256="", spectrogram="mel", backend="b"),
        timing_ms=Timing(decode=0.0, spectrogram=0.0, network=0.0, total=0.0),
    )


MIXED = timeline(
    (20.0, "Pop", "mixed"), (100.0, "Jazz", "plausible"), (10.0, "silence", "silence"), (60.0, "Jazz", "unsure")
)


def test_the_parts_of_a_genre_are_added_up_the_longest_first() -> None:
    song = sum_up(MIXED)
    assert song.shares == (("Jazz", 160.0), ("Pop", 20.0), ("silence", 10.0))
    assert song.longest == ("Jazz", 160.0)
    assert song.main == "Jazz"
    assert song.total_s == 190.0


def test_the_mean_is_over_the_windows_that_hold_music() -> None:
    noise = sum_up(
        timeline((10.0, "Jazz", "plausible"), (30.0, "not_music", "not_music"), (10.0, "silence", "silence"))
    )
    assert noise.n_windows == 1
    assert dict(noise.mean) == pytest.approx({"Jazz": 0.8, "Pop": 0.0, "Rock": 0.2})
    assert [score.label for score in noise.top(2)] == ["Jazz", "Rock"]
    song = sum_up(MIXED)
    assert song.n_windows == 18
    assert song.mean["Jazz"] == pytest.approx((16 * 0.8 + 2 * 0.2) / 18)


def test_the_verdict_is_that_of_most_seconds_of_the_longest() -> None:
    assert sum_up(MIXED).verdict == "plausible"
    assert sum_up(replace(MIXED, segments=MIXED.segments[:1])).verdict == "mixed"


@pytest.mark.parametrize(
    ("parts", "main"),
    [
        ([(60.0, "Jazz", "plausible"), (50.0, "Pop", "plausible")], "Jazz"),
        ([(50.0, "Jazz", "plausible"), (50.0, "Pop", "plausible")], None),  # half is not most
        ([(40.0, "Jazz", "plausible"), (30.0, "Pop", "plausible"), (30.0, "Rock", "plausible")], None),
        ([(60.0, "silence", "silence"), (50.0, "Pop", "plausible")], "silence"),
        ([(20.0, "not_music", "not_music")], "not_music"),
    ],
)
def test_a_song_is_mostly_what_more_than_half_of_it_is(parts: list[Part], main: str | None) -> None:
    assert sum_up(timeline(*parts)).main == main


def test_what_the_mean_does_not_put_first_is_not_what_a_song_mostly_is() -> None:
    made = timeline((60.0, "Jazz", "unsure"), (50.0, "Pop", "confident"))
    likely = {"Jazz": 0.4, "Pop": 0.35, "Rock": 0.25}
    windows = (*(replace(window, probabilities=likely) for window in made.windows[:6]), *made.windows[6:])
    song = sum_up(replace(made, windows=windows))
    assert song.longest[0] == "Jazz"
    assert song.top(1)[0].label == "Pop"
    assert song.main is None


@pytest.mark.parametrize(
    ("part", "is_said"), [("Jazz", False), ("Pop", True), ("Rock", True), ("silence", True), ("not_music", True)]
)
def test_a_song_contradicts_a_part_that_was_said_to_be_something_else(part: str, is_said: bool) -> None:
    assert contradicts(sum_up(MIXED), part) == is_said


def test_a_song_without_a_genre_for_most_of_it_contradicts_nothing() -> None:
    assert not contradicts(sum_up(timeline((50.0, "Jazz", "plausible"), (50.0, "Pop", "plausible"))), "Rock")


def test_two_genres_that_are_about_equally_probable_do_not_contradict_each_other() -> None:
    song = sum_up(timeline((100.0, "Jazz", "mixed"), share=0.55))  # Rock has the rest
    assert song.main == "Jazz"
    assert not contradicts(song, "Rock")
    assert contradicts(song, "Pop")


def test_a_song_that_is_mostly_silence_contradicts_a_genre() -> None:
    song = sum_up(timeline((10.0, "Jazz", "plausible"), (60.0, "silence", "silence")))
    assert contradicts(song, "Jazz")
    assert not contradicts(song, "silence")
