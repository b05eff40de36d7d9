"""The tab "Models": what is installed, how good it is, and how fast on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gradio as gr

from acousticsense.errors import AcousticSenseError
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import default_name
from acousticsense.web.inputs import language_of
from acousticsense.web.models_view import models_html

__all__ = ["build_models_tab"]

#: The first answer of a model loads it; the shortest of the others is what it takes.
_ANSWERS: Final = 4


class _Models:
    """The callbacks of the tab; what was measured is kept for everybody."""

    def __init__(self, service: PredictionService, example: Path | None) -> None:
        self._service, self._example = service, example
        self._times_ms: dict[str, float] = {}

    def show(self, request: gr.Request) -> str:
        """The models as they are now, in the browser's language."""
        return models_html(
            self._service.models(),
            self._service.catalog,
            default_name(self._service),
            self._times_ms,
            language_of(request),
        )

    def measure(self, request: gr.Request) -> Iterator[str]:
        """The models again after each that was timed, on an example of ten seconds."""
        for entry in self._service.models():
            if entry.spec is not None and self._example is not None:
                wanted = PredictRequest(model=entry.name, private=True)
                try:
                    answers = [self._service.analyse(self._example, wanted).prediction for _ in range(_ANSWERS)]
                except AcousticSenseError:
                    continue  # the list itself says what is wrong with a model
                self._times_ms[entry.name] = min(answer.timing_ms.total for answer in answers[1:])
                yield self.show(request)


def build_models_tab(i18n: Any, service: PredictionService, tab: Any, example: Path | None) -> None:
    """The contents of the tab, inside the blocks that are being built.

    Args:
        i18n: the page's texts.
        service: what answers.
        tab: the tab; each time it is opened the folder of models is read again.
        example: the sound that models are timed on; None where there is none.
    """
    callbacks = _Models(service, example)
    shown = gr.HTML("", apply_default_css=False, js_on_load=None)
    button = gr.Button(i18n("models.measure"), elem_classes="as-second", visible=example is not None)
    quietly: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    tab.select(callbacks.show, None, shown, **quietly)
    measured = button.click(
        callbacks.measure,
        None,
        shown,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=[button],
        trigger_mode="once",
        concurrency_id="predict",
    )
    measured.failure(callbacks.show, None, shown, **quietly)
