"""What cards with a timeline share: segments in colours, times below them, and in words what most of the track is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from acousticsense.analysis.results import Segment, Timeline
from acousticsense.analysis.whole_song import NO_GENRE, WholeSong
from acousticsense.i18n.messages import text
from acousticsense.i18n.page import ui_text
from acousticsense.models.genres import display_name
from acousticsense.web.html import clock

#: Genres with a colour of their own; the style sheet has as many. The others share one.
COLOURS: Final = 8
#: Genres that sentences name; of the others, they tell the number.
_NAMED: Final = 4
#: Distances between time ticks in seconds; the smallest that leaves at most `_MAX_TICKS` is taken.
_TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MAX_TICKS: Final = 9


@dataclass(frozen=True)
class Axis:
    """The time axis of a track from `start_s` to `end_s`."""

    start_s: float
    end_s: float

    @classmethod
    def of(cls, timeline: Timeline) -> Axis:
        """From the first segment's start to the last one's end."""
        return cls(timeline.segments[0].start_s, timeline.segments[-1].end_s)

    def place(self, seconds: float) -> float:
        """A moment as per cent of the width."""
        return 100 * (seconds - self.start_s) / (self.end_s - self.start_s)

    @property
    def tick_steps(self) -> str:
        """Distances between ticks that the page's script may choose from when a part is shown, in seconds."""
        return " ".join(map(str, _TICK_STEPS_S))

    @property
    def ticks(self) -> list[tuple[float, float]]:
        """(moment in seconds, its place) of round moments."""
        length_s = self.end_s - self.start_s
        step_s = next((step for step in _TICK_STEPS_S if length_s / step <= _MAX_TICKS), _TICK_STEPS_S[-1])
        first, last = -(-self.start_s // step_s), self.end_s // step_s
        return [(number * step_s, self.place(number * step_s)) for number in range(int(first), int(last) + 1)]


def colour_order(song: WholeSong) -> list[str]:
    """The genres of a song's segments in the order of their colours: the longest first."""
    return [what for what, _ in song.shares if what not in NO_GENRE]


def colour_of(what: str, order: Sequence[str]) -> str:
    """The name of a colour in the style sheet, for a genre, "silence" or "not_music"."""
    if what in NO_GENRE:
        return what
    rank = order.index(what) if what in order else COLOURS
    return str(rank) if rank < COLOURS else "other"


def segment_data(segment: Segment, order: Sequence[str], axis: Axis, language: str) -> dict[str, object]:
    """A segment as the templates draw and list it."""
    what = segment.genre or segment.verdict
    return {
        "start_s": segment.start_s,
        "end_s": segment.end_s,
        "left": axis.place(segment.start_s),
        "width": axis.place(segment.end_s) - axis.place(segment.start_s),
        "colour": colour_of(what, order),
        "name": text(f"verdict.{what}", language) if what in NO_GENRE else display_name(what, language),
        "confidence": segment.confidence,
        "level": segment.verdict,
        "verdict": text(f"verdict.{segment.verdict}", language) if segment.genre else "",
    }


def name_of(what: str, language: str) -> str:
    """A genre, "silence" or "not_music" as a sentence calls it."""
    return ui_text(f"song.{what}", language) if what in NO_GENRE else display_name(what, language)


def mostly(song: WholeSong, language: str) -> tuple[str, str]:
    """What most of a song is, and how much of it: ("mostly Jazz", "3:10 of 4:02")."""
    what, seconds = song.longest
    name = name_of(what, language)
    if song.main is None:
        return ui_text("song.several", language, name=name), part_of(seconds, song.total_s, language)
    if round(seconds) >= round(song.total_s):
        return ui_text("song.throughout", language, name=name), length_of(song.total_s, language)
    return ui_text("song.mostly", language, name=name), part_of(seconds, song.total_s, language)


def others_of(song: WholeSong, language: str) -> str:
    """What else a song is, and for how long: "Blues 0:40 · Pop 0:12 · 3 more"; empty where it is one thing."""
    named = [f"{name_of(what, language)} {length_of(seconds, language)}" for what, seconds in song.shares[1:_NAMED]]
    if (more := len(song.shares) - _NAMED) > 0:
        named.append(ui_text("song.more", language, n=more))
    return " · ".join(named)


def part_of(seconds: float, total_s: float, language: str) -> str:
    """ "35 of 45 s" or "3:10 of 4:02"."""
    if round(total_s) < 60:
        return ui_text("song.part_s", language, part=round(seconds), total=round(total_s))
    return ui_text("song.part", language, part=clock(round(seconds)), total=clock(round(total_s)))


def length_of(seconds: float, language: str) -> str:
    """ "35 s" or "3:10"."""
    whole = round(seconds)
    return ui_text("song.seconds", language, n=whole) if whole < 60 else clock(whole)
