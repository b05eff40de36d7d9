"""The card below the spectrogram that shows where the model looked, and Gradio's own way to ask for it."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import gradio as gr

from acousticsense.analysis.payload import explanation_payload
from acousticsense.errors import RequestError
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.web.controls import QUIET, html_block, prediction_queue
from acousticsense.web.heatmap_view import heatmap_html
from acousticsense.web.inputs import called_with, image_url, refusals, shown_excerpt, uploaded
from acousticsense.web.language import language_of

#: The card says itself which excerpt it explains: the controls may have been moved since. While another answer is on
#: its way, which will bring a card of its own, nothing is asked of this one.
_REPORT_LABEL: Final = (
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-as-label][aria-pressed=false]');"
    " if (!button || document.querySelector('.as-result-block .pending')) return;"
    " trigger('click', {...button.closest('figure').dataset, label: button.dataset.asLabel}); });"
)

#: A map that arrives when another answer is shown already is not shown. Cancelling is not enough: what the server has
#: not acknowledged yet cannot be cancelled.
_SHOW_IF_OF_THIS_ANSWER: Final = (
    "(map, shown) => {"
    ' const answer = (card) => (/data-answer="([^"]*)"/.exec(card) || [])[1];'
    " return answer(map) === answer(shown) ? map : shown; }"
)


class _Explain:
    """The callbacks of the card; everything a call needs comes with it."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def show(self, song: gr.FileData | None, request: gr.Request, event: gr.EventData) -> str:
        """The card with the heat map of the genre whose button was pressed."""
        language = language_of(request)
        with refusals(language):
            source = uploaded(song)
            label, shown, answer = _asked(event)
            explanation = await self._service.answer(lambda: self._service.work.explain(source.path, shown, label))
        image_id = self._service.keep_heatmap(explanation)
        return await asyncio.to_thread(
            heatmap_html,
            explanation,
            image_id=image_id,
            answer=answer,
            model=shown.model,
            name=source.name,
            language=language,
        )

    async def answer(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        audio: gr.FileData,
        request: gr.Request,
        label: str = "",
        duration_s: float | None = None,
        offset_s: float = 0.0,
        top_k: int = 5,
        model: str = "",
        spectrogram: str = "",
        private: bool = False,
    ) -> dict[str, Any]:
        """Shows where the model looked for one label, like POST /api/explain.

        Args:
            audio: the file; gradio_client: `handle_file("song.mp3")`.
            request: of the caller.
            label: one of the model's labels; "" is the best one.
            duration_s: seconds to predict; None is the model's own choice (10 s for ours).
            offset_s: where the excerpt begins, in seconds.
            top_k: how many labels `prediction` lists, best first.
            model: name of an installed model; "" is the default.
            spectrogram: "mel" or "cqt", for models that know both; "" is the model's default.
            private: keep nothing of the answer for the next who sends the same file.
        """
        with refusals():
            wanted = called_with(duration_s, offset_s, model, spectrogram, top_k=top_k, private=private)
            source = uploaded(audio).path
            explanation = await self._service.answer(lambda: self._service.work.explain(source, wanted, label))
        prediction, heatmap = explanation.analysis.prediction, explanation.heatmap
        body = explanation_payload(prediction, heatmap, top_k=wanted.top_k, language=language_of(request))
        body["heatmap_url"] = image_url(self._service, request, self._service.keep_heatmap(explanation))
        return body


def build_heatmap_card(service: PredictionService, audio: Any) -> tuple[Any, Any]:
    """Adds the card, empty until there is an answer, and what it answers to.

    Returns:
        The card, and the event that computes a map, for a new answer to cancel.
    """
    callbacks = _Explain(service)
    card = html_block("", "as-below as-heat-block", script=_REPORT_LABEL)
    arrived = gr.Textbox(visible="hidden")
    limits = prediction_queue(service)
    computed = card.click(
        callbacks.show,
        audio,
        arrived,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=[card],
        trigger_mode="always_last",
        **limits,
    )
    computed.success(None, [arrived, card], card, js=_SHOW_IF_OF_THIS_ANSWER, **QUIET)
    gr.events.api(callbacks.answer, api_name="explain", **limits)
    return card, computed


def _asked(event: gr.EventData) -> tuple[str, PredictRequest, str]:
    """The genre whose button was pressed, what was analysed, and the card's answer; a browser may send anything.

    Raises:
        RequestError: the card does not say, or names something out of range.
    """
    try:
        label, kind, answer = str(event.label), cast(SpectrogramKind, str(event.spectrogram)), str(event.answer)
    except AttributeError as error:
        raise RequestError("The genre to explain is not named.", hint="Press one of the genres.") from error
    return label, shown_excerpt(event).replace(spectrogram=kind), answer
