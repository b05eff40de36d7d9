"""The tab "Models": what is installed, how good it is, and how fast on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gradio as gr

from acousticsense.errors import AcousticSenseError, OverloadError
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import QUIET, default_name, html_block
from acousticsense.web.language import language_of
from acousticsense.web.models_view import models_html

#: The first answer of a model loads it; the shortest of the others is what it takes.
_ANSWERS: Final = 4
#: For so many seconds a speed is not measured again.
_KNOWN_S: Final = 600.0


class ModelsHandlers:
    """The callbacks of the tab; what was measured is kept for everybody.

    Args:
        example: the sound that models are timed on; None where there is none.
    """

    def __init__(self, service: PredictionService, example: Path | None) -> None:
        self._service, self._example = service, example
        self._times_ms: dict[str, float] = {}
        self._due_at: dict[str, float] = {}

    def show(self, request: gr.Request) -> str:
        """The models as they are now, in the browser's language."""
        return models_html(
            self._service.catalog.list(),
            self._service.catalog,
            default_name(self._service),
            self._times_ms,
            language_of(request),
        )

    def measure(self, request: gr.Request) -> Iterator[str]:
        """The models again after each that was timed, on an example of ten seconds.

        Anybody may ask: each model is measured once in some minutes for all, and its answers wait in the queue of
        predictions like any others.
        """
        for entry in self._service.catalog.list() if self._example else ():
            if entry.spec is None or time.monotonic() < self._due_at.get(entry.name, 0.0):
                continue
            self._due_at[entry.name] = time.monotonic() + _KNOWN_S  # at once: another page may ask meanwhile
            try:
                self._times_ms[entry.name] = self._time_ms(entry.name)
            except OverloadError:
                del self._due_at[entry.name]
                break
            except AcousticSenseError:
                continue  # the list itself says what is wrong with a model
            yield self.show(request)
        yield self.show(request)

    def _time_ms(self, name: str) -> float:
        wanted = PredictRequest(model=name, private=True)
        answers = [self._service.analyse(str(self._example), wanted).prediction for _ in range(_ANSWERS)]
        return min(answer.timing_ms.total for answer in answers[1:])


def build_models_tab(i18n: Any, service: PredictionService, tab: Any, example: Path | None) -> None:
    """The contents of the tab, inside the blocks that are being built.

    Args:
        tab: the tab; each time it is opened the folder of models is read again.
        example: the sound that models are timed on; None where there is none.
    """
    callbacks = ModelsHandlers(service, example)
    shown = html_block("")
    button = gr.Button(i18n("models.measure"), elem_classes="as-second", visible=example is not None)
    tab.select(callbacks.show, None, shown, **QUIET)
    measured = button.click(
        callbacks.measure,
        None,
        shown,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=[button],
        trigger_mode="once",
        concurrency_limit=1,
    )
    measured.failure(callbacks.show, None, shown, **QUIET)
