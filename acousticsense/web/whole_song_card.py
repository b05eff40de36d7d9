"""The card for the whole song: filled in the background after an answer of the first tab, given up for the next."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Final

import gradio as gr

from acousticsense.analysis.results import Timeline
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.serving.requests import TimelineRequest
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import OWN_QUEUE, QUIET, html_block
from acousticsense.web.html import clock
from acousticsense.web.inputs import uploaded
from acousticsense.web.language import language_of
from acousticsense.web.page_runs import PageRuns
from acousticsense.web.whole_song_view import ExcerptAnswer, song_html, song_note_html, song_progress_html

#: Longer tracks are sets and broadcasts: whoever wants their timeline asks for it.
_LONGEST_SONG_S: Final = 1800.0

#: Buttons in a card name the event that they stand for.
REPORT_BUTTON: Final = (
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-as-act]');"
    " if (button) trigger(button.dataset.asAct); });"
)


class WholeSongHandlers:
    """The callbacks of the card."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._runs: PageRuns[Timeline] = PageRuns()

    def leave(self, request: gr.Request) -> None:
        """Ends what a page waits for, without a word: another answer is on its way."""
        self._runs.leave(request.session_hash)

    def stop(self, request: gr.Request) -> None:
        """Gives the page's run up; whoever tells of it says so."""
        self._runs.stop(request.session_hash)

    async def follow(
        self, song: gr.FileData | None, part: ExcerptAnswer | None, request: gr.Request
    ) -> AsyncGenerator[Any, None]:
        """After an answer: how far the timeline of its whole song is, again and again, and then the card with it.

        Whoever has nothing more to say says so: otherwise Gradio sends once more what was said before, or nothing,
        which empties the card.
        """
        language = language_of(request)
        self.leave(request)
        try:
            if part is None or not song or uploaded(song).path != part.path:
                yield gr.skip()  # no answer, or another song by now, with an answer of its own to come
                return
            if note := self._too_long(part, language):
                yield note
                return
            wanted = TimelineRequest(model=part.model, spectrogram=part.kind)
            start = partial(self._service.start_timeline, part.path, wanted, unasked=True)
            with self._runs.running(request.session_hash, part.path, start) as run:
                async for told in run.progress():
                    yield song_progress_html(told, language)
                if run.is_left:
                    yield gr.skip()
                    return
                if run.job.cancelled:
                    yield song_note_html("stopped", language, button="again")
                    return
            made = run.job.result()
        except AcousticSenseError as error:
            yield song_note_html("failed", language, button="again", error=error)
            return
        yield song_html(made, part, language)

    def explain_failure(self, request: gr.Request) -> str:
        """What stands in the card after a fault of ours, which the log has in full."""
        return song_note_html("failed", language_of(request), button="again", code="unexpected")

    def _too_long(self, part: ExcerptAnswer, language: str) -> str:
        """The card for a track that is too long to be analysed unasked; else empty."""
        track_s, most_s = part.clip.track_duration_s or 0.0, self._service.settings.max_timeline_s
        if track_s <= min(_LONGEST_SONG_S, most_s):
            return ""
        fits = track_s <= most_s
        words = ui_text(
            "song.is.long" if fits else "song.is.too_long",
            language,
            total=clock(track_s),
            limit=clock(_LONGEST_SONG_S if fits else most_s),
        )
        return song_note_html("long", language, words=words, button="open" if fits else "")


class WholeSongCard:
    """The card, inside the blocks that are being built.

    Args:
        answer: the card above, for the first seconds, which may offer the other tab as well.

    Attributes:
        card: the component, for an answer to clear.
        part: what the answer is for; an answer writes it.
    """

    def __init__(self, i18n: Any, handlers: WholeSongHandlers, answer: Any) -> None:
        self._handlers, self._answer = handlers, answer
        self.part = gr.State(None)
        with gr.Column(elem_classes="as-below as-song-block", min_width=0):
            self.card = html_block(i18n("html.whole_song"), script=REPORT_BUTTON)
            stop = gr.Button(i18n("timeline.stop"), elem_classes="as-song-stop", size="sm")
        stop.click(handlers.stop, None, None, **QUIET)

    def follow(self, answered: Any, audio: Any) -> None:
        """Predicts the whole song after an answer, and when the card's own button asks for it."""
        for start in (*(event.success for event in answered), self.card.retry):
            followed = start(self._handlers.follow, [audio, self.part], self.card, **OWN_QUEUE)
            followed.failure(self._handlers.explain_failure, None, self.card, **QUIET)

    def open_in(self, tabs: Any, tab: str, audio: Any, other: Any) -> None:
        """Lets the buttons of both cards open the song in another tab.

        Args:
            other: the one that holds the other tab's song.
        """
        gr.on(
            [self.card.expand, self._answer.expand],
            lambda song: (gr.Tabs(selected=tab), song and uploaded(song).path),
            audio,
            [tabs, other],
            **QUIET,
        )
