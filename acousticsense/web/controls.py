"""Components that several tabs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import gradio as gr

from acousticsense.audio.clip import read_clip
from acousticsense.errors import AcousticSenseError
from acousticsense.models.catalog import DEFAULT_MODEL
from acousticsense.serving.service import PredictionService
from acousticsense.spectrogram.front_end import NATIVE_MEL
from acousticsense.web.html import render
from acousticsense.web.language import language_of
from acousticsense.web.message_view import message_html
from acousticsense.web.model_names import Choice, choices_of

#: Options of an event that is answered at once, shows no progress and is no part of the API.
QUIET: Final[dict[str, Any]] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
#: Options of an event that waits in a queue of the service: in Gradio's own it would stand in the way of others.
OWN_QUEUE: Final[dict[str, Any]] = {"concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private"}

#: Keys of texts: these and the value of a choice.
_NAME: Final = "model:"
_FACTS: Final = "facts:"

#: Longest track whose waveform is drawn: the browser decodes all of it for that.
_WAVEFORM_MAX_S: Final = 900.0
#: Largest file whose waveform is drawn when its length is unknown.
_WAVEFORM_MAX_BYTES: Final = 20 * 2**20


def prediction_queue(service: PredictionService) -> dict[str, Any]:
    """Options of an event that waits for its turn among the predictions."""
    return {"concurrency_id": "predict", "concurrency_limit": service.settings.concurrency}


def tell_failure(event: Any, card: str, result: Any) -> None:
    """Has the card of a tab say so when a fault of ours, which the log has in full, leaves it without an answer."""

    def explain_failure(request: gr.Request) -> str:
        return message_html(card, language_of(request), code="unexpected")

    event.failure(explain_failure, None, result, **QUIET)


def reveal_after(answered: Any) -> None:
    """Brings an answer into view when it is there."""
    answered.then(None, js="() => window.acousticSenseReveal()", **QUIET)


def html_block(words: str, classes: str | None = None, *, script: str | None = None, **options: Any) -> Any:
    """A piece of HTML without Gradio's own style and script for such pieces.

    `classes` are the component's in CSS; `script` runs once it is there, with it as `element`, and `trigger` to tell of
    events.
    """
    return gr.HTML(words, elem_classes=classes, apply_default_css=False, js_on_load=script, **options)


def with_names(component: Any) -> Any:
    """Makes handlers of a component get files as they were sent, with their own names, and not only their paths."""
    component.preprocess = _as_sent
    return component


def _as_sent(payload: Any) -> Any:
    return getattr(payload, "root", payload)


def song_input(i18n: Any, name: str, *, drawn: bool = True) -> Any:
    """A place for a song or a recording; `name` is its class, and `drawn` whether it has a waveform to crop."""
    audio = gr.Audio(
        sources=["upload", "microphone"],
        type="filepath",
        label=i18n("audio.label"),
        show_label=False,
        editable=drawn,
        buttons=[],
        elem_classes=f"as-audio {name}",
        waveform_options=waveform_options(drawn=drawn),
    )
    return with_names(audio)


def duration_slider(i18n: Any, **options: Any) -> Any:
    """How many seconds are analysed."""
    return gr.Slider(1, 60, 10, step=1, label=i18n("duration.label"), elem_classes="as-duration", **options)


def offset_field(i18n: Any, **options: Any) -> Any:
    """Where the excerpt begins; what is typed below 0 becomes 0."""
    offset = gr.Number(0, label=i18n("offset.label"), minimum=0, step=1, min_width=130, **options)
    offset.change(None, offset, offset, js="(second) => (second < 0 ? 0 : second)", **QUIET)
    return offset


def excerpt_controls(i18n: Any) -> tuple[Any, Any, Any]:
    """Seconds, start, and the box for the whole track, which disables the seconds."""
    duration = duration_slider(i18n)
    with gr.Row(elem_classes="as-excerpt-row"):
        offset = offset_field(i18n)
        whole = gr.Checkbox(False, label=i18n("whole.label"), min_width=130, elem_classes="as-whole")
    whole.change(lambda on: gr.Slider(interactive=not on), whole, duration, **QUIET)
    return duration, offset, whole


def mark_old_answers(card: str, controls: Sequence[Any]) -> None:
    """Has the page's script mark the answer in a tab's card when it was asked for with other settings.

    Args:
        card: CSS selector of the card, which carries `html.asked` of the controls' values.
        controls: in the same order.
    """
    js = f"(...values) => window.acousticSenseAsked('{card}', ...values)"
    gr.on(None, None, [*controls], None, js=js, **QUIET)


def model_choices(service: PredictionService) -> list[Choice]:
    """Every way to ask each installed model, the default one first."""
    return choices_of((entry.spec for entry in service.catalog.list() if entry.spec is not None), default_name(service))


def model_texts(choices: Sequence[Choice]) -> dict[str, tuple[str, str]]:
    """The texts that `model_choice` needs, in English and Chinese."""
    return {
        key: pair
        for choice in choices
        for key, pair in (
            (_NAME + choice.value, (choice.name("en"), choice.name("zh"))),
            (_FACTS + choice.value, (_small_print(choice, "en"), _small_print(choice, "zh"))),
        )
    }


def model_choice(i18n: Any, service: PredictionService) -> Any:
    """A choice of installed models with small print below; invisible where there is nothing to choose."""
    choices = {choice.value: choice for choice in model_choices(service)}
    names = [(i18n(_NAME + value), value) for value in choices]
    visible = len(names) > 1
    model = gr.Dropdown(
        names if "" in choices else [(default_name(service), ""), *names],
        value="",
        label=i18n("model.label"),
        visible=visible,
        elem_classes="as-model",
    )
    facts = html_block(i18n(_FACTS) if "" in choices else "", "as-model-facts", visible=visible)

    def describe(value: str | None, request: gr.Request) -> str:
        choice = next((choice for choice in model_choices(service) if choice.value == (value or "")), None)
        return _small_print(choice, language_of(request)) if choice else ""

    def list_again(request: gr.Request) -> tuple[Any, Any]:
        """Offers what was installed or removed since the server started, when the page is opened."""
        now = model_choices(service)
        if [choice.value for choice in now] == list(choices):
            return gr.skip(), gr.skip()
        names = [(choice.name(language_of(request)), choice.value) for choice in now]
        return gr.Dropdown(names, visible=len(names) > 1), gr.HTML(visible=len(names) > 1)

    gr.on(None, list_again, None, [model, facts], **QUIET)
    model.change(describe, model, facts, **QUIET)
    return model


def named_models(i18n: Any, service: PredictionService) -> list[tuple[Any, str]]:
    """Words and name of each installed model, those that cannot be used among them."""
    known = {choice.spec.name: i18n(_NAME + choice.value) for choice in model_choices(service) if choice.is_first}
    return [(known.get(entry.name, entry.name), entry.name) for entry in service.catalog.list()]


def _small_print(choice: Choice, language: str) -> str:
    return render("note.html", language, kind="as-facts", words=choice.facts(language))


def default_name(service: PredictionService) -> str:
    """The name of the model that answers by default."""
    return service.settings.model or DEFAULT_MODEL


def waveform_options(*, drawn: bool) -> Any:
    """The player's waveform. Without one the browser's own player streams the file; with one it decodes all of it."""
    return gr.WaveformOptions(
        waveform_color="#a39eae",
        waveform_progress_color="#b02a70",
        trim_region_color="#b02a7033",
        show_recording_waveform=drawn,
    )


def track_duration_s(path: Path) -> float | None:
    """Seconds of a track, as far as its header tells.

    Raises:
        AudioError: it is no audio.
    """
    return read_clip(path, duration_s=0.1, sample_rate_hz=NATIVE_MEL.sample_rate_hz).info.track_duration_s


def is_long(path: Path) -> bool:
    """Whether a track is too long to have its waveform drawn in the browser."""
    try:
        duration_s = track_duration_s(path)
    except AcousticSenseError:
        return False
    return path.stat().st_size > _WAVEFORM_MAX_BYTES if duration_s is None else duration_s > _WAVEFORM_MAX_S
