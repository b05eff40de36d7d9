"""The tab that holds two versions of a piece side by side."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from acousticsense.analysis.compare import comparison_payload
from acousticsense.errors import AcousticSenseError
from acousticsense.serving.service import PredictionService
from acousticsense.web.compare_view import comparison_html
from acousticsense.web.controls import excerpt_controls, model_choice, waveform_options, with_names
from acousticsense.web.inputs import called_with, language_of, uploaded, wanted_excerpt
from acousticsense.web.message_view import message_html

__all__ = ["CompareHandlers", "build_compare_tab"]

_QUIETLY: Final[dict[str, Any]] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


class CompareHandlers:
    """The callbacks of the tab; everything a call needs comes with it."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    def show(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        song_a: gr.FileData | None,
        song_b: gr.FileData | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
    ) -> str:
        """The comparison as HTML, in the browser's language."""
        language = language_of(request)
        if not song_a or not song_b:
            return message_html("compare", language, code="no_pair")
        try:
            a, b = uploaded(song_a), uploaded(song_b)
            wanted = wanted_excerpt(duration_s, whole_track, offset_s, model)
            comparison = self._service.compare(a.path, b.path, wanted)
        except AcousticSenseError as error:
            return message_html("compare", language, error)
        return comparison_html(comparison, (a, b), language)

    def explain_failure(self, request: gr.Request) -> str:
        """What stands in place of a comparison after a fault of ours, which the log has in full."""
        return message_html("compare", language_of(request), code="unexpected")

    def clear(self, song_a: gr.FileData | None, song_b: gr.FileData | None, request: gr.Request) -> Any:
        """Takes a comparison away as soon as one of its files is."""
        return gr.skip() if song_a and song_b else message_html("compare", language_of(request))

    async def answer(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        a: gr.FileData,
        b: gr.FileData,
        request: gr.Request,
        duration_s: float | None = None,
        offset_s: float = 0.0,
        top_k: int = 5,
        model: str = "",
    ) -> dict[str, Any]:
        """Compares two versions of a piece, like POST /api/compare.

        Args:
            a: the first version; gradio_client: `handle_file("old.wav")`.
            b: the second version.
            request: of the caller.
            duration_s: seconds to predict; None is the model's own choice (10 s for ours).
            offset_s: where the excerpt begins in both, in seconds.
            top_k: how many labels each `prediction` lists, best first.
            model: name of an installed model; "" is the default.
        """
        try:
            wanted = called_with(duration_s, offset_s, model, "", top_k=top_k)
            versions = uploaded(a).path, uploaded(b).path
            comparison = await self._service.answer(lambda: self._service.work.compare(*versions, wanted))
        except AcousticSenseError as error:
            raise gr.Error(str(error)) from error
        return comparison_payload(comparison, top_k=wanted.top_k, language=language_of(request))


def build_compare_tab(i18n: Any, service: PredictionService) -> None:
    """Adds the tab's components and what they answer to; to be called inside its `gr.Tab`."""
    callbacks = CompareHandlers(service)
    with gr.Row(elem_classes="as-versions-in"):
        a, b = (_version_input(i18n, letter) for letter in "ab")
    with gr.Row(elem_classes="as-compare-row"):
        with gr.Group(elem_classes="as-excerpt"):
            duration, offset, whole = excerpt_controls(i18n)
        with gr.Column(min_width=240):
            model = model_choice(i18n, service)
            button = gr.Button(i18n("compare.go"), variant="primary", elem_classes="as-go")
    result = gr.HTML(i18n("html.compare"), elem_classes="as-compare-block", apply_default_css=False, js_on_load=None)
    limits: dict[str, Any] = {"concurrency_id": "predict", "concurrency_limit": service.settings.concurrency}
    for audio in (a, b):
        audio.change(callbacks.clear, [a, b], result, **_QUIETLY)
    compared = button.click(
        callbacks.show,
        [a, b, duration, whole, offset, model],
        result,
        api_visibility="private",
        show_progress="minimal",
        trigger_mode="always_last",
        **limits,
    )
    compared.failure(callbacks.explain_failure, None, result, **_QUIETLY)
    gr.events.api(callbacks.answer, api_name="compare", **limits)


def _version_input(i18n: Any, letter: str) -> Any:
    audio = gr.Audio(
        sources=["upload"],
        type="filepath",
        label=i18n(f"version.{letter}"),
        editable=False,
        buttons=[],
        elem_classes=f"as-audio as-version as-version-{letter}",
        waveform_options=waveform_options(drawn=True),
    )
    return with_names(audio)
