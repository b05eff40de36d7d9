"""A timeline in one line: what most of a song is, for how long, and what its windows say on average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, TypeVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from acousticsense.analysis.results import Seconds, Segment, Timeline, TimelineVerdict, TimelineWindow
from acousticsense.inference.confidence import stands_clear
from acousticsense.inference.prediction import VALIDATED, GenreScore, Probabilities, ranked

_Name = TypeVar("_Name", bound=str)

#: What a part of a song can be instead of a genre: these are verdicts, and no label is called so.
NO_GENRE: Final = ("silence", "not_music")


@dataclass(frozen=True, kw_only=True, config=VALIDATED)
class WholeSong:
    """What a whole song is.

    Attributes:
        shares: (genre, "silence" or "not_music"; seconds of the segments that are it), the longest first.
        total_s: seconds of all segments.
        mean: label -> mean probability over the windows that hold music; empty where none does.
        n_windows: how many windows hold music.
        verdict: how far to trust the longest share: the verdict that most of its seconds have.
    """

    shares: tuple[tuple[str, Seconds], ...]
    total_s: Seconds
    mean: Probabilities
    n_windows: Annotated[int, Field(ge=0)]
    verdict: TimelineVerdict

    @property
    def longest(self) -> tuple[str, float]:
        """The genre, "silence" or "not_music" that most seconds are, and how many."""
        return self.shares[0]

    @property
    def main(self) -> str | None:
        """What the song mostly is: more than half of its seconds, and of all genres the most probable on average.

        None where nothing is: then it is several things.
        """
        what, seconds = self.longest
        if 2 * seconds <= self.total_s:
            return None
        return what if what in NO_GENRE or what == self.top(1)[0].label else None

    def top(self, k: int) -> tuple[GenreScore, ...]:
        """The `k` labels with the highest mean, best first."""
        return ranked(self.mean, k)


def sum_up(timeline: Timeline) -> WholeSong:
    """What a timeline says of its track as a whole."""
    shares = _longest_first((_what(segment), segment) for segment in timeline.segments)
    in_longest = (segment for segment in timeline.segments if _what(segment) == shares[0][0])
    with_music = [window for window in timeline.windows if window.verdict not in NO_GENRE]
    return WholeSong(
        shares=tuple(shares),
        total_s=sum(seconds for _, seconds in shares),
        mean=_mean(with_music, timeline.labels),
        n_windows=len(with_music),
        verdict=_longest_first((segment.verdict, segment) for segment in in_longest)[0][0],
    )


def contradicts(song: WholeSong, part: str) -> bool:
    """Whether a song is mostly something else than what a part of it was said to be.

    Two genres that its windows find about equally probable on average do not contradict each other.

    Args:
        part: the best genre of the part, "silence" or "not_music".
    """
    if song.main is None or song.main == part:
        return False
    means = {what: song.mean[what] for what in (song.main, part) if what in song.mean}
    return len(means) < 2 or stands_clear(means)


def _what(segment: Segment) -> str:
    return segment.genre or segment.verdict


def _longest_first(named: Iterable[tuple[_Name, Segment]]) -> list[tuple[_Name, float]]:
    """(name, seconds of its segments), the longest first; equals stay in order of time."""
    seconds: dict[_Name, float] = {}
    for name, segment in named:
        seconds[name] = seconds.get(name, 0.0) + segment.end_s - segment.start_s
    return sorted(seconds.items(), key=lambda item: -item[1])


def _mean(windows: Sequence[TimelineWindow], labels: Sequence[str]) -> Mapping[str, float]:
    if not windows:
        return {}
    return {label: sum(window.probabilities[label] for window in windows) / len(windows) for label in labels}
