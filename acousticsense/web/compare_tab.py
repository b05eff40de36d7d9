"""The tab that holds versions of a piece side by side."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from acousticsense.analysis.compare import VERSIONS
from acousticsense.analysis.compare_payload import comparison_payload
from acousticsense.errors import AcousticSenseError
from acousticsense.serving.service import PredictionService
from acousticsense.web.compare_view import comparison_html
from acousticsense.web.controls import (
    QUIET,
    excerpt_controls,
    html_block,
    mark_old_answers,
    model_choice,
    prediction_queue,
    tell_failure,
    with_names,
)
from acousticsense.web.html import asked
from acousticsense.web.inputs import called_with, refusals, uploaded, wanted_excerpt
from acousticsense.web.language import language_of
from acousticsense.web.message_view import message_html


class CompareHandlers:
    """The callbacks of the tab; everything a call needs comes with it."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def show(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        songs: list[gr.FileData] | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
    ) -> str:
        """The comparisons as HTML, in the browser's language; the first song is the reference."""
        language = language_of(request)
        if not songs or len(songs) < 2:
            return message_html("compare", language, code="no_pair")
        if len(songs) > len(VERSIONS):
            return message_html("compare", language, code="many_versions")
        try:
            files = [uploaded(song) for song in songs]
            wanted = wanted_excerpt(duration_s, whole_track, offset_s, model)
            paths = [file.path for file in files]
            comparisons = await self._service.answer(lambda: self._service.work.compare(paths, wanted))
        except AcousticSenseError as error:
            return message_html("compare", language, error)
        controls = asked(songs, duration_s, whole_track, offset_s, model)
        return await asyncio.to_thread(comparison_html, comparisons, files, language, asked=controls)

    def clear(self, songs: list[gr.FileData] | None, request: gr.Request) -> Any:
        """Takes a comparison away as soon as there is nothing to compare any more."""
        return gr.skip() if songs and len(songs) > 1 else message_html("compare", language_of(request))

    async def answer(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        a: gr.FileData,
        b: gr.FileData,
        request: gr.Request,
        duration_s: float | None = None,
        offset_s: float = 0.0,
        top_k: int = 5,
        model: str = "",
        c: gr.FileData | None = None,
        d: gr.FileData | None = None,
    ) -> dict[str, Any]:
        """Compares two to four versions of a piece, like POST /api/compare.

        Args:
            a: the first version, the reference; gradio_client: `handle_file("old.wav")`.
            b: the second version.
            request: of the caller.
            duration_s: seconds to predict; None is the model's own choice (10 s for ours).
            offset_s: where the excerpt begins in all of them, in seconds.
            top_k: how many labels each `prediction` lists, best first.
            model: name of an installed model; "" is the default.
            c: a third version, if there is one.
            d: a fourth version, if there is one.
        """
        with refusals():
            wanted = called_with(duration_s, offset_s, model, "", top_k=top_k)
            versions = [uploaded(file).path for file in (a, b, *filter(None, (c, d)))]
            comparisons = await self._service.answer(lambda: self._service.work.compare(versions, wanted))
        return comparison_payload(*comparisons, top_k=wanted.top_k, language=language_of(request))


def build_compare_tab(i18n: Any, service: PredictionService) -> None:
    """Adds the tab's components and what they answer to; to be called inside its `gr.Tab`."""
    callbacks = CompareHandlers(service)
    with gr.Row(elem_classes="as-compare-row"):
        with gr.Column(min_width=300):
            files = gr.File(
                file_count="multiple",
                label=i18n("compare.files"),
                height=232,
                allow_reordering=True,
                elem_classes="as-version-files",
            )
            with_names(files)
        with gr.Column(min_width=300, elem_classes="as-input"):
            with gr.Group(elem_classes="as-excerpt"):
                duration, offset, whole = excerpt_controls(i18n)
                model = model_choice(i18n, service)
            button = gr.Button(i18n("compare.go"), variant="primary", elem_classes="as-go")
    result = html_block(i18n("html.compare"), "as-compare-block")
    limits = prediction_queue(service)
    files.change(callbacks.clear, files, result, **QUIET)
    inputs = [files, duration, whole, offset, model]
    mark_old_answers(".as-compare", inputs)
    compared = button.click(
        callbacks.show,
        inputs,
        result,
        api_visibility="private",
        show_progress="minimal",
        trigger_mode="always_last",
        **limits,
    )
    tell_failure(compared, "compare", result)
    gr.events.api(callbacks.answer, api_name="compare", **limits)
