"""Windows become segments: flickers go, changes stay, silence and what is not music are told apart."""

from __future__ import annotations

import pytest

from acousticsense.analysis.results import Segment, TimelineVerdict, TimelineWindow
from acousticsense.analysis.segments import merge
from acousticsense.models.spec import Calibration, ModelSpec

LABELS = ("Jazz", "Rock", "Folk")
SPEC = ModelSpec(
    name="m",
    architecture="a",
    labels=LABELS,
    has_not_music=True,
    calibration=Calibration(not_music_at=0.5, measured_on="a test"),
)
SILENT = None
#: P(Jazz), P(not music) and, where there is any, P(Folk); None is silence.
Said = tuple[float, float] | tuple[float, float, float] | None


def segments(
    said: list[Said], *, hop_s: float = 10.0, window_s: float = 10.0, tail_s: float = 0.0, min_segment_s: float = 0.0
) -> list[Segment]:
    """The segments of windows of which so much was said; the rest is Rock."""
    windows = []
    for index, values in enumerate(said):
        jazz, not_music, folk = (*(values or (0.0, None)), 0.0)[:3]
        verdict: TimelineVerdict = "plausible" if values else "silence"
        windows.append(
            TimelineWindow(
                start_s=index * hop_s,
                end_s=index * hop_s + window_s,
                probabilities={"Jazz": jazz, "Rock": 1 - jazz - folk, "Folk": folk} if values else {},
                not_music=not_music,
                verdict=verdict,
            )
        )
    end_s = windows[-1].end_s + tail_s
    return list(merge(windows, SPEC, window_s=window_s, hop_s=hop_s, end_s=end_s, min_segment_s=min_segment_s))


def names(found: list[Segment]) -> list[str]:
    return [segment.genre or segment.verdict for segment in found]


JAZZ, ROCK = (0.9, 0.0), (0.1, 0.0)


def test_a_change_is_found_where_it_is() -> None:
    first, second = segments([JAZZ] * 3 + [ROCK] * 4, tail_s=3.0)
    assert (first.genre, first.start_s, first.end_s) == ("Jazz", 0.0, 30.0)
    assert (second.genre, second.start_s, second.end_s) == ("Rock", 30.0, 73.0)
    assert (first.confidence, second.confidence) == pytest.approx((0.9, 0.9))
    assert first.verdict == "confident"


@pytest.mark.parametrize(
    ("lead", "n_windows", "kept"),
    [(0.45, 1, False), (0.55, 1, True), (0.2, 2, False), (0.3, 2, True), (0.08, 5, False), (0.12, 5, True)],
)
def test_a_excerpt_of_its_own_needs_to_be_far_ahead_or_long(lead: float, n_windows: int, kept: bool) -> None:
    other = (0.5 - lead / 2, 0.0)  # Rock is ahead by `lead`
    found = segments([JAZZ] * 4 + [other] * n_windows + [JAZZ] * 4)
    assert names(found) == (["Jazz", "Rock", "Jazz"] if kept else ["Jazz"])


def test_what_was_smoothed_over_lowers_the_confidence() -> None:
    (one,) = segments([(0.9, 0.0), (0.3, 0.0), (0.9, 0.0)])
    assert one.confidence == pytest.approx(0.7)
    assert one.verdict == "plausible"


def test_silence_is_never_smoothed_away_and_has_no_confidence() -> None:
    found = segments([JAZZ, SILENT, JAZZ])
    assert names(found) == ["Jazz", "silence", "Jazz"]
    assert found[1].confidence is None
    assert names(segments([SILENT, SILENT])) == ["silence"]


def test_not_music_begins_at_the_models_threshold() -> None:
    (music,) = segments([(0.9, 0.45)])
    (speech,) = segments([(0.9, 0.55)])
    assert music.genre == "Jazz"
    assert (speech.genre, speech.verdict, speech.confidence) == (None, "not_music", pytest.approx(0.55))


def test_a_cough_is_smoothed_over_and_an_announcement_is_not() -> None:
    assert names(segments([JAZZ] * 3 + [(0.8, 0.7)] + [JAZZ] * 3)) == ["Jazz"]
    assert names(segments([JAZZ] * 3 + [(0.8, 0.9)] * 3 + [JAZZ] * 3)) == ["Jazz", "not_music", "Jazz"]


def test_overlapping_windows_weigh_as_much_as_their_sound() -> None:
    """Twice as many windows are no more evidence: a change is found at the same place, a flicker is still one."""
    assert names(segments([JAZZ] * 8 + [(0.28, 0.0)] * 2 + [JAZZ] * 8, hop_s=5.0)) == ["Jazz"]
    first, second = segments([JAZZ] * 8 + [ROCK] * 8, hop_s=5.0)
    assert first.end_s == second.start_s == pytest.approx(40.0, abs=5.0)


def test_windows_with_gaps_between_them_make_segments_without() -> None:
    first, second = segments([JAZZ, JAZZ, ROCK, ROCK], hop_s=30.0)
    assert (first.end_s, second.start_s, second.end_s) == (60.0, 60.0, 100.0)


def test_short_segments_are_given_to_the_one_beside_them_that_is_likelier_there() -> None:
    mostly_folk = (0.05, 0.0, 0.9)
    said = [JAZZ] * 4 + [mostly_folk] * 2 + [ROCK] * 4
    assert names(segments(said)) == ["Jazz", "Folk", "Rock"]
    assert names(segments(said, min_segment_s=20.0)) == ["Jazz", "Folk", "Rock"]
    first, second = segments(said, min_segment_s=21.0)
    assert (first.genre, first.end_s, second.genre, second.end_s) == ("Jazz", 40.0, "Rock", 100.0)


def test_what_a_short_segment_parted_becomes_one() -> None:
    assert names(segments([JAZZ] * 3 + [ROCK] * 2 + [JAZZ] * 3, min_segment_s=30.0)) == ["Jazz"]


def test_short_silence_is_kept_and_takes_nothing_in() -> None:
    said = [JAZZ] * 3 + [SILENT] + [ROCK] + [SILENT] + [JAZZ] * 3
    assert names(segments(said, min_segment_s=25.0)) == ["Jazz", "silence", "Rock", "silence", "Jazz"]


def test_a_track_shorter_than_the_shortest_segment_is_one_segment() -> None:
    assert names(segments([JAZZ] * 2 + [ROCK] * 3, min_segment_s=3600.0)) == ["Rock"]
