"""The first tab: a song in, its genre out, with the spectrogram, a heat map and every step below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import gradio as gr

from acousticsense.serving.service import PredictionService
from acousticsense.web.classify_handlers import ClassifyHandlers
from acousticsense.web.controls import (
    QUIET,
    excerpt_controls,
    html_block,
    model_choice,
    prediction_queue,
    reveal_after,
    song_input,
    waveform_options,
)
from acousticsense.web.example_clips import ExampleClip
from acousticsense.web.heatmap_card import build_heatmap_card
from acousticsense.web.whole_song_card import REPORT_BUTTON, WholeSongCard

_REPORT_EXAMPLE: Final = (
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-example]');"
    " if (button) trigger('click', {index: Number(button.dataset.example)}); });"
)
#: The card says itself which excerpt it shows: the controls may have been moved since.
_REPORT_KIND: Final = (
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-as-kind][aria-pressed=false]');"
    " if (button) trigger('click', {...button.closest('figure').dataset, kind: button.dataset.asKind}); });"
)

#: An answer that the browser kept: at a click on it, and once the page is there for the one that was shown last.
_REPORT_KEPT: Final = (
    "const recall = (id) => { const kept = window.acousticSenseKept(id); if (kept) trigger('click', kept); };"
    "element.addEventListener('click', (event) => {"
    " const button = event.target.closest('[data-as-recall]');"
    " if (button) recall(button.dataset.asRecall); });"
    "setTimeout(recall, 0);"
)


def build_classify_tab(
    i18n: Any, service: PredictionService, labels: Sequence[str], examples: Sequence[ExampleClip]
) -> tuple[Any, WholeSongCard]:
    """The contents of the tab, inside the blocks that are being built.

    Args:
        labels: shown before there is an answer.
        examples: the clips that the page offers.

    Returns:
        The component that holds the song, and the card for all of it.
    """
    handlers = ClassifyHandlers(service, labels, examples)
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="as-input"):
            audio = song_input(i18n, "as-song")
            note = html_block("", visible=False)
            with gr.Group(elem_classes="as-excerpt"):
                duration, offset, whole = excerpt_controls(i18n)
                model = model_choice(i18n, service)
            button = gr.Button(i18n("classify"), variant="primary", elem_classes="as-go")
            picked = html_block(i18n("html.examples"), script=_REPORT_EXAMPLE)
            html_block(i18n("html.guess"))
        with gr.Column(scale=9, min_width=320, elem_classes="as-output"):
            result = html_block(i18n("html.empty"), "as-result-block", script=REPORT_BUTTON)
            stop = gr.Button(i18n("timeline.stop"), elem_classes="as-answer-stop", size="sm")
    song = WholeSongCard(i18n, handlers.whole_song, result)
    history = html_block(i18n("html.history"), "as-history-block", script=_REPORT_KEPT)
    image = html_block(i18n("html.spectrogram"), "as-below", script=_REPORT_KIND)
    heat, heat_computed = build_heatmap_card(service, audio)
    below = html_block("", "as-below")
    html_block(i18n("html.glossary"), "as-below")

    limits = prediction_queue(service)
    shown: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal"}
    # The service has a queue for answers and tells the place in it; a new one ends the one before.
    answering: dict[str, Any] = {"concurrency_limit": None, "trigger_mode": "multiple", **shown}
    is_drawn = gr.State(True)
    audio.change(handlers.prepare_player, audio, [note, is_drawn], **QUIET)
    # Only when it changes: with any update Gradio makes the player anew, which then no longer tells a file's own name.
    is_drawn.change(lambda drawn: gr.Audio(waveform_options=waveform_options(drawn=drawn)), is_drawn, audio, **QUIET)
    picked.click(handlers.choose_example, None, audio, **QUIET)
    image.click(handlers.show_kind, audio, image, trigger_mode="always_last", **limits, **shown)
    stop.click(handlers.stop, None, None, **QUIET)
    settings = [duration, whole, offset, model]
    # The page's script marks answers to other settings.
    gr.on(None, None, settings, None, js="(...values) => window.acousticSenseSettings(...values)", **QUIET)
    inputs = [audio, *settings]
    outputs = [result, image, heat, below, song.card, song.part]
    history.click(handlers.recall, None, outputs, cancels=[heat_computed], **QUIET)
    answers = []
    # Only who presses the button without a song is told that there is none.
    for trigger, missing in ((audio.change, ""), (button.click, "nothing")):
        answered = trigger(
            handlers.classify,
            [*inputs, gr.State(missing)],
            outputs,
            show_progress_on=[result],
            cancels=[heat_computed],
            **answering,
        )
        answered.failure(handlers.explain_failure, None, outputs, **QUIET)
        reveal_after(answered)
        answers.append(answered)
    song.follow(answers, audio)
    gr.events.api(handlers.predict, api_name="predict", **limits)
    return audio, song
