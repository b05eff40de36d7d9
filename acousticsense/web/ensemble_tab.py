"""The second tab: several models look at one clip."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, Queue
from typing import Any, Final, TypeVar

import gradio as gr

from acousticsense.analysis.ensemble_payload import ensemble_payload
from acousticsense.analysis.members import Progress
from acousticsense.errors import AcousticSenseError
from acousticsense.models.catalog import without_copies
from acousticsense.serving.requests import EnsembleRequest, parse
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import (
    duration_slider,
    html_block,
    mark_old_answers,
    named_models,
    offset_field,
    prediction_queue,
    reveal_after,
    song_input,
    tell_failure,
)
from acousticsense.web.ensemble_view import ensemble_html, memory_html, progress_html
from acousticsense.web.html import asked
from acousticsense.web.inputs import refusals, start_s, uploaded
from acousticsense.web.language import language_of
from acousticsense.web.message_view import message_html

T = TypeVar("T")

#: How often a page is told that nothing has changed, in seconds: whether the visitor has left is seen then.
_LOOK_S: Final = 1.0


class EnsembleHandlers:
    """The callbacks of the tab."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service
        # These threads only wait: the service has its own for the work.
        self._waiting = ThreadPoolExecutor(service.settings.concurrency, thread_name_prefix="ensemble-wait")

    def prepare(self, models: list[str], request: gr.Request) -> Iterator[str]:
        """Loads the models as soon as the tab is opened: how far that is, then what they take."""
        language = language_of(request)
        if not models:
            yield ""
            return
        try:
            loaded = yield from self._shown(
                lambda report: self._service.loaded.ensemble().warm_up(models, report=report), language
            )
        except AcousticSenseError as error:
            yield message_html("ensemble", language, error)
        else:
            yield memory_html(loaded, language)

    def predict(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        song: gr.FileData | None,
        models: list[str],
        spectrogram: str,
        duration_s: float,
        offset_s: float | None,
        request: gr.Request,
        missing: str = "",
    ) -> Iterator[str]:
        """Progress, then the answer card, in the browser's language.

        Without a song the card is empty, or says what is missing by the trouble of that code. No model ticked is none
        asked, unlike an empty `models` of a program.
        """
        language = language_of(request)
        if not song or not models:
            yield message_html("ensemble", language, code="no_models" if song else missing)
            return
        try:
            source = uploaded(song)
            excerpt = {"duration_s": duration_s, "offset_s": start_s(offset_s)}
            wanted = parse(EnsembleRequest, {"models": models, "spectrogram": spectrogram, **excerpt})
            result = yield from self._shown(
                lambda report: self._service.predict_together(source.path, wanted, report), language
            )
        except AcousticSenseError as error:
            yield message_html("ensemble", language, error)
            return
        controls = asked(models, spectrogram, duration_s, offset_s)
        yield ensemble_html(result, source.name, language, asked=controls)

    async def ensemble(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        audio: gr.FileData,
        request: gr.Request,
        models: str = "",
        spectrogram: str = "both",
        duration_s: float | None = None,
        offset_s: float = 0.0,
        top_k: int = 3,
    ) -> dict[str, Any]:
        """Asks several models about one audio file, like POST /api/ensemble.

        Args:
            audio: the file; gradio_client: `handle_file("song.mp3")`.
            request: of the caller.
            models: names of installed models with commas between; "" is all, copies once.
            spectrogram: "mel", "cqt" or "both".
            duration_s: seconds to predict; None is 10.
            offset_s: where the excerpt begins, in seconds.
            top_k: how many labels each `prediction` lists, best first.
        """
        with refusals():
            fields = {"models": models, "spectrogram": spectrogram, "duration_s": duration_s, "offset_s": offset_s}
            wanted = parse(EnsembleRequest, {**fields, "top_k": top_k})
            source = uploaded(audio).path
            result = await self._service.answer(lambda: self._service.work.predict_together(source, wanted))
        return ensemble_payload(result, top_k=wanted.top_k, language=language_of(request))

    def _shown(self, work: Callable[[Callable[[Progress], None]], T], language: str) -> Generator[str, None, T]:
        """Does the work elsewhere and shows what it tells meanwhile; returns what it returns."""
        told: Queue[Progress] = Queue()
        coming: Future[T] = self._waiting.submit(work, told.put)
        states: dict[str, str] = {}
        total = 0
        while not coming.done():
            try:
                progress = told.get(timeout=_LOOK_S)
            except Empty:
                pass
            else:
                states[progress.name] = progress.state
                total = progress.total
            yield progress_html(states, total, language)
        return coming.result()


def build_ensemble_tab(i18n: Any, service: PredictionService, tab: Any) -> None:
    """Fills the tab that is open now."""
    handlers = EnsembleHandlers(service)
    choices = named_models(i18n, service)
    ticked = {entry.name for entry in without_copies(service.catalog.list())}
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="as-input"):
            audio = song_input(i18n, "as-ensemble-audio")
            with gr.Group(elem_classes="as-excerpt"):
                duration = duration_slider(i18n)
                with gr.Row(elem_classes="as-excerpt-row"):
                    offset = offset_field(i18n)
                images = gr.Radio(
                    [("mel + cqt", "both"), "mel", "cqt"],
                    value="both",
                    label=i18n("ensemble.images"),
                    elem_classes="as-choices",
                )
                models = gr.CheckboxGroup(
                    choices,
                    value=[name for _, name in choices if name in ticked],
                    label=i18n("ensemble.models"),
                    info=i18n("ensemble.copies") if len(ticked) < len(choices) else None,
                    elem_classes="as-choices",
                )
            button = gr.Button(i18n("ensemble.go"), variant="primary", elem_classes="as-go")
            memory = html_block("")
        with gr.Column(scale=9, min_width=320, elem_classes="as-output"):
            result = html_block(i18n("html.ensemble"), "as-result-block")
    tab.select(handlers.prepare, models, memory, show_progress="hidden", api_visibility="private")
    limits = prediction_queue(service)
    settings = [models, images, duration, offset]
    mark_old_answers(".as-ensemble", settings)
    inputs = [audio, *settings]
    # Only who presses the button without a song is told that there is none.
    for trigger, missing in ((audio.change, ""), (button.click, "nothing")):
        answered = trigger(
            handlers.predict,
            [*inputs, gr.State(missing)],
            result,
            api_visibility="private",
            show_progress="minimal",
            trigger_mode="always_last",
            **limits,
        )
        tell_failure(answered, "ensemble", result)
        reveal_after(answered)
    gr.events.api(handlers.ensemble, api_name="ensemble", **limits)
