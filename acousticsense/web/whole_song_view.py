"""The whole song below the answer for its first seconds: a strip of its timeline, and what most of it is in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acousticsense.analysis.results import Timeline
from acousticsense.analysis.whole_song import NO_GENRE, WholeSong, contradicts, sum_up
from acousticsense.audio.types import ClipInfo
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.web.html import clock, render, run_on
from acousticsense.web.message_view import trouble_of
from acousticsense.web.page_runs import Told
from acousticsense.web.segments_view import Axis, colour_of, colour_order, length_of, mostly, name_of, segment_data
from acousticsense.web.timeline_view import progress_words

#: Genres with their mean probability.
_TOP: Final = 3
#: Genres listed below the strip; of the others, the number is told.
_LISTED: Final = 6
#: An excerpt of this share of its track is all of it: the two are not compared.
_ALL_OF_IT: Final = 0.9


@dataclass(frozen=True, kw_only=True)
class ExcerptAnswer:
    """The answer for an excerpt, as far as the card for its whole song needs it.

    Attributes:
        model: that answered; "" is the default.
        kind: of image that it was given; None is its default.
        what: the best genre, "silence" or "not_music".
    """

    path: Path
    model: str
    kind: SpectrogramKind | None
    what: str
    clip: ClipInfo


def song_note_html(
    state: str,
    language: str,
    *,
    words: str = "",
    button: str = "",
    error: AcousticSenseError | None = None,
    code: str = "",
) -> str:
    """The card with a sentence in place of a strip.

    Args:
        state: "empty", "long", "stopped" or "failed".
        words: the sentence; by default that of the state.
        button: what a button offers: "open" (the song in the tab "Timeline"), "again", or "" for none.
        error: why there is no strip; its words stand in place of the sentence.
        code: names the words of a trouble that is no error.
    """
    trouble = trouble_of(error, language, code=code)
    if trouble:
        words = run_on(language, trouble.title, trouble.hint)
    return render(
        "whole_song_note.html",
        language,
        state=state,
        words=words or ui_text(f"song.is.{state}", language),
        button=button,
    )


def song_progress_html(told: Told, language: str) -> str:
    """The card while the song is analysed, or waits for others."""
    words, share = progress_words(*told, language)
    return render(
        "whole_song_progress.html",
        language,
        state="running",
        share=share,
        words=words,
    )


def song_html(timeline: Timeline, part: ExcerptAnswer, language: str) -> str:
    """The card with the strip; `part` is what the answer above it is for."""
    song, axis = sum_up(timeline), Axis.of(timeline)
    order = colour_order(song)
    what, time = mostly(song, language)
    return render(
        "whole_song.html",
        language,
        state="ready",
        song=song,
        line=ui_text("song.line", language, what=what, time=time),
        verdict=song.verdict if song.main and song.main not in NO_GENRE else "",
        differs=_differs(song, part, language),
        axis=axis,
        segments=[segment_data(segment, order, axis, language) for segment in timeline.segments],
        shares=[
            (colour_of(share, order), name_of(share, language), length_of(seconds, language))
            for share, seconds in song.shares[:_LISTED]
        ],
        n_more=max(0, len(song.shares) - _LISTED),
        top=song.top(_TOP),
        track_s=timeline.clip.track_duration_s or axis.end_s,
    )


def _differs(song: WholeSong, part: ExcerptAnswer, language: str) -> str:
    """One sentence where the whole contradicts the part; else empty."""
    if not contradicts(song, part.what) or part.clip.duration_s >= _ALL_OF_IT * song.total_s:
        return ""
    start_s, end_s = part.clip.offset_s, part.clip.offset_s + part.clip.duration_s
    return ui_text(
        f"song.differs_{part.what}" if part.what in NO_GENRE else "song.differs",
        language,
        range=ui_text("result.range", language, start=clock(start_s), end=clock(end_s)),
        part=name_of(part.what, language),
        whole=name_of(song.longest[0], language),
    )
