"""The tab "Library": many files or zip archives in, a row for each out, while the others are still analysed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import gradio as gr

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.serving.jobs import BatchJob
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import (
    OWN_QUEUE,
    QUIET,
    excerpt_controls,
    html_block,
    model_choice,
    tell_failure,
    with_names,
)
from acousticsense.web.inputs import called_with, refusals, uploaded, wanted_excerpt
from acousticsense.web.language import language_of
from acousticsense.web.library_routes import json_rows, threshold_of
from acousticsense.web.library_view import library_html
from acousticsense.web.message_view import message_html

#: Which row's song is to be opened in the first tab.
_REPORT_OPEN: Final = (
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-as-open]');"
    " if (button) trigger('expand', {batch: window.acousticSenseBatch(), place: button.dataset.asOpen}); });"
)

#: How often the page is told how far the work is.
_TELL_EVERY_S: Final = 0.5


class LibraryHandlers:
    """The callbacks of the tab. A batch that nobody waits for any more (a closed page) ends its work."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def predict(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        files: list[gr.FileData] | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
    ) -> AsyncIterator[str]:
        """How far the work is, again and again; the page's script fetches the rows."""
        language = language_of(request)
        if not files:
            yield message_html("library", language, code="no_files")
            return
        try:
            wanted = wanted_excerpt(duration_s, whole_track, offset_s, model)
            job = await asyncio.to_thread(self._start, files, wanted)
            job_id = self._service.batches.put(job)
            try:
                async for words in self._progress(job, job_id, language):
                    yield words
            finally:
                job.cancel()
        except AcousticSenseError as error:
            yield message_html("library", language, error)

    async def _progress(self, job: BatchJob, job_id: str, language: str) -> AsyncIterator[str]:
        started: float | None = None
        while not (job.finished or job.cancelled):
            now = time.monotonic()
            if job.started and started is None:
                started = now
            state = "waiting" if started is None else "running"
            self._service.batches.renew(job_id)
            yield library_html(job.batch, job_id, state, language, worked_s=now - (started or now), place=job.place)
            until = now + _TELL_EVERY_S
            while not (job.finished or job.cancelled) and time.monotonic() < until:
                await asyncio.sleep(_TELL_EVERY_S / 10)
        if job.cancelled:
            yield library_html(job.batch, job_id, "stopped", language)
            return
        job.result()
        worked_s = time.monotonic() - started if started is not None else 0.0
        yield library_html(job.batch, job_id, "ready", language, worked_s=worked_s)

    def _start(self, files: object, wanted: PredictRequest) -> BatchJob:
        """A client of Gradio may send no list, or one without files: the refusal is that of every other endpoint."""
        sent = files if isinstance(files, list) else [files]
        return self._service.start_batch([uploaded(file) for file in sent or [None]], wanted)

    def stop(self, job_id: str) -> None:
        """Gives the work up; whoever tells of it says so, and what there is by then stays."""
        if job := self._service.batches.get(job_id):
            job.cancel()

    def open(self, request: gr.Request, event: gr.EventData) -> tuple[Any, str]:
        """The first tab with a row's song in it; a browser may send anything."""
        job = self._service.batches.get(str(getattr(event, "batch", "")))
        place = str(getattr(event, "place", ""))
        path = job.batch.files.sound(int(place[:9])) if job and place.isdecimal() else None
        if path is None or not path.is_file():
            raise gr.Error(ui_text("library.gone", language_of(request)), print_exception=False)
        return gr.Tabs(selected="classify"), str(path)

    async def batch(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        files: list[gr.FileData],
        accept: float | None = None,
        duration_s: float | None = None,
        offset_s: float = 0.0,
        model: str = "",
        spectrogram: str = "",
    ) -> dict[str, Any]:
        """Predicts many files, zip archives among them: a row for each, as `acousticsense tag --jsonl` writes it.

        Args:
            files: gradio_client: `[handle_file("a.mp3"), handle_file("album.zip")]`.
            accept: lowest confidence, 0 to 1, at which a row's decision is "accepted"; None decides nothing.
            duration_s: seconds to predict; None is the model's own choice (10 s for ours).
            offset_s: where the excerpt begins, in seconds.
            model: name of an installed model; "" is the default.
            spectrogram: which image, "mel" or "cqt", for models that know several; "" is the model's default.
        """
        with refusals():
            wanted = called_with(duration_s, offset_s, model, spectrogram)
            threshold = threshold_of("" if accept is None else str(accept))
            job = await asyncio.to_thread(self._start, files, wanted)
            try:
                while not job.finished:
                    await asyncio.sleep(_TELL_EVERY_S / 5)
            finally:
                job.cancel()
            job.result()
        return {"rows": json_rows(job.batch, threshold), "ignored": job.batch.files.ignored}


def build_library_tab(i18n: Any, service: PredictionService, tabs: Any, song: Any) -> None:
    """The contents of the tab, inside the blocks that are being built.

    Args:
        song: the component that holds the first tab's song.
    """
    handlers = LibraryHandlers(service)
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=5, min_width=300, elem_classes="as-input"):
            files = gr.File(
                file_count="multiple",
                label=i18n("library.files"),
                show_label=False,
                height=216,
                elem_classes="as-files",
            )
            with_names(files)
            folder = gr.Button(i18n("library.folder"), size="sm", elem_classes="as-folder")
            with gr.Group(elem_classes="as-excerpt"):
                duration, offset, whole = excerpt_controls(i18n)
                chosen = model_choice(i18n, service)
        with gr.Column(scale=8, min_width=320, elem_classes="as-output"):
            progress = html_block(i18n("html.library"), "as-library-block")
            button = gr.Button(i18n("library.go"), variant="primary", elem_classes="as-go as-library-go")
            stop = gr.Button(i18n("library.stop"), elem_classes="as-library-stop")
    rows = html_block(i18n("html.library_frame"), "as-below", script=_REPORT_OPEN)
    batch_id = gr.Textbox(visible=False)

    folder.click(None, None, None, js="() => window.acousticSenseFolder()", **QUIET)
    analysed = button.click(
        handlers.predict,
        [files, duration, whole, offset, chosen],
        progress,
        **OWN_QUEUE,
    )
    tell_failure(analysed, "library", progress)
    stop.click(handlers.stop, batch_id, None, js="() => window.acousticSenseBatch()", **QUIET)
    rows.expand(handlers.open, None, [tabs, song], **QUIET)
    gr.events.api(handlers.batch, api_name="batch", concurrency_limit=None)
