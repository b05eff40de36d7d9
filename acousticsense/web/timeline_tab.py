"""The tab "Timeline": a track in, its genres along the time out, with progress on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from acousticsense.analysis.payload import timeline_payload
from acousticsense.analysis.results import Timeline
from acousticsense.errors import AcousticSenseError
from acousticsense.serving.requests import TimelineRequest, parse
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import (
    OWN_QUEUE,
    QUIET,
    html_block,
    mark_old_answers,
    model_choice,
    reveal_after,
    song_input,
    tell_failure,
)
from acousticsense.web.html import asked
from acousticsense.web.inputs import chosen_model, refusals, uploaded, uploaded_path
from acousticsense.web.language import language_of
from acousticsense.web.message_view import message_html
from acousticsense.web.page_runs import PageRuns
from acousticsense.web.timeline_view import progress_html, timeline_html


class TimelineHandlers:
    """The callbacks of the tab. A run that nobody waits for any more (a closed page, a new file) ends its work."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        self._runs: PageRuns[Timeline] = PageRuns()

    async def draw(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        song: gr.FileData | None,
        window_s: float,
        hop_s: float,
        min_segment_s: float,
        model: str | None,
        request: gr.Request,
    ) -> AsyncIterator[Any]:
        """How far the work is, again and again, and then the timeline."""
        language = language_of(request)
        if not song:
            yield message_html("timeline", language, code="nothing")
            return
        try:
            source = uploaded(song)
            name, kind = chosen_model(model)
            wanted = TimelineRequest(
                model=name, spectrogram=kind, window_s=window_s, hop_s=hop_s, min_segment_s=min_segment_s
            )
            start = partial(self._service.start_timeline, source.path, wanted)
            with self._runs.running(request.session_hash, source.path, start) as run:
                async for told in run.progress():
                    yield progress_html(*told, language)
                if run.is_left:
                    yield gr.skip()  # otherwise Gradio sends the last progress once more
                    return
                if run.job.cancelled:
                    yield message_html("timeline", language, key="stopped")
                    return
            made = run.job.result()
        except AcousticSenseError as error:
            yield message_html("timeline", language, error)
            return
        controls = asked(window_s, hop_s, min_segment_s, model)
        yield timeline_html(made, self._service.timelines.put(made), source.name, language, asked=controls)

    def clear(self, song: gr.FileData | None, request: gr.Request) -> Any:
        """The card for a new file, and the end of the work on another one.

        The page may ask for the new file's timeline before it tells of the file: that work goes on.
        """
        if song and self._runs.is_for(request.session_hash, uploaded_path(song)):
            return gr.skip()
        self._runs.leave(request.session_hash)
        return message_html("timeline", language_of(request))

    def stop(self, request: gr.Request) -> None:
        """Gives the page's timeline up; whoever tells of it says so."""
        self._runs.stop(request.session_hash)

    async def timeline(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        audio: gr.FileData,
        window_s: float | None = None,
        hop_s: float | None = None,
        duration_s: float | None = None,
        offset_s: float = 0.0,
        model: str = "",
        spectrogram: str = "",
        min_segment_s: float = 0.0,
    ) -> dict[str, Any]:
        """Predicts a track window by window, like POST /api/timeline.

        Args:
            audio: the file; gradio_client: `handle_file("song.mp3")`.
            window_s: seconds in a window, 1 to 60; None is the model's own (10 s for ours).
            hop_s: seconds from one window's start to the next; None is the window.
            duration_s: seconds to predict; None is to the end of the track.
            offset_s: where to begin, in seconds.
            model: name of an installed model; "" is the default.
            spectrogram: which image, "mel" or "cqt", for models that know several; "" is the model's default.
            min_segment_s: segments that are shorter are given to the one beside them; 0 keeps all.
        """
        with refusals():
            excerpt = {"window_s": window_s, "hop_s": hop_s, "duration_s": duration_s, "offset_s": offset_s}
            fields = {"model": model, "spectrogram": spectrogram, "min_segment_s": min_segment_s}
            wanted = parse(TimelineRequest, {**excerpt, **fields})
            return timeline_payload(await self._service.start_timeline(uploaded(audio).path, wanted).outcome())


def build_timeline_tab(i18n: Any, service: PredictionService, window_s: float) -> Any:
    """The contents of the tab, inside the blocks that are being built.

    Args:
        window_s: the default model's own window.

    Returns:
        The component that holds the track.
    """
    handlers = TimelineHandlers(service)
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="as-input"):
            audio = song_input(i18n, "as-timeline-audio", drawn=False)
            with gr.Group(elem_classes="as-excerpt"):
                window = gr.Slider(2, 30, window_s, step=1, label=i18n("window.label"))
                hop = gr.Slider(1, 60, window_s, step=1, label=i18n("hop.label"))
                shortest = gr.Slider(0, 60, 0, step=1, label=i18n("shortest.label"))
                chosen = model_choice(i18n, service)
            button = gr.Button(i18n("timeline.draw"), variant="primary", elem_classes="as-go as-draw")
            stop = gr.Button(i18n("timeline.stop"), elem_classes="as-stop")
        with gr.Column(scale=9, min_width=320, elem_classes="as-output"):
            result = html_block(i18n("html.timeline"), "as-timeline-block")
    settings = [window, hop, shortest, chosen]
    mark_old_answers(".as-timeline", settings)
    drawn = button.click(
        handlers.draw,
        [audio, *settings],
        result,
        **OWN_QUEUE,
    )
    reveal_after(drawn)
    tell_failure(drawn, "timeline", result)
    stop.click(handlers.stop, None, None, **QUIET)
    audio.change(handlers.clear, audio, result, **QUIET)
    gr.events.api(handlers.timeline, api_name="timeline", concurrency_limit=None)
    return audio
