"""Where things stand on the page, and which of them answer to what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import gradio as gr
from fastapi import FastAPI

from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import ui_text
from acousticsense.models.catalog import DEFAULT_MODEL
from acousticsense.models.genres import GENRES
from acousticsense.serving.service import PredictionService
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS
from acousticsense.web.compare_html import empty_comparison_html
from acousticsense.web.compare_tab import build_compare_tab
from acousticsense.web.ensemble_html import no_ensemble_html
from acousticsense.web.ensemble_tab import add_ensemble_tab
from acousticsense.web.example_clips import EXAMPLES_DIR, examples_html, read_examples
from acousticsense.web.handlers import Handlers, model_choices, waveform_options
from acousticsense.web.heatmap_card import build_heatmap_card
from acousticsense.web.html import escape
from acousticsense.web.library_html import empty_library_html, library_frame_html
from acousticsense.web.library_routes import add_library_routes
from acousticsense.web.library_tab import build_library_tab
from acousticsense.web.result_html import empty_html
from acousticsense.web.spectrogram_html import empty_spectrogram_html
from acousticsense.web.theme import FAVICON, build_i18n, build_theme, read_css, read_head
from acousticsense.web.timeline_html import empty_timeline_html
from acousticsense.web.timeline_tab import timeline_tab

__all__ = ["build_ui", "mount_ui"]

#: Uploads are looked over this often and removed at this age; nothing waits in the queue for that long.
_CACHE_LOOK_S: Final = 600
_CACHE_AGE_S: Final = 3600

#: Gradio looks into its queue this often. By itself it does a thousand times a second (but on Windows), whether or not
#: anybody is there, and each time takes the interpreter from the threads that predict. Nothing public sets it.
_QUEUE_LOOK_S: Final = 0.01

_MARK_PATH: Final = "M4 20v-8M10 26V6M16 22V10M22 28V4M28 19v-6"
_MARK: Final = f'<svg class="as-mark" viewBox="0 0 32 32" aria-hidden="true"><path d="{_MARK_PATH}"/></svg>'
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

#: HTML that is ours alone: no style sheet of Gradio's, no click event.
_PLAIN: Final[dict[str, Any]] = {"apply_default_css": False, "js_on_load": None}


def mount_ui(app: FastAPI, service: PredictionService) -> FastAPI:
    """Adds the page to `app` at "/"; what `app` already routes stays as it is."""
    page = build_ui(service)
    _take_uploads_only(page)
    add_library_routes(app, service)
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        i18n=page.as_i18n,
        theme=build_theme(),
        css=read_css(),
        head=read_head(),
        favicon_path=str(FAVICON),
        allowed_paths=[str(EXAMPLES_DIR)],
        max_file_size=service.settings.max_upload_mb * 2**20,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
    )
    return mounted


def _take_uploads_only(page: Any) -> None:
    """Makes Gradio take a request's files from nowhere but its upload folder, before it touches them.

    By itself it looks where they lie only in pages that it launched, which one that is mounted never is, copies any
    other path into the upload folder, and fetches addresses.
    """
    page.has_launched = True
    for block in page.blocks.values():
        if copy := getattr(block, "async_move_resource_to_block_cache", None):
            block.async_move_resource_to_block_cache = partial(_copied, copy)


async def _copied(copy: Callable[[Path | str | None], Awaitable[str | None]], place: Path | str | None) -> str | None:
    if place is not None and "://" in str(place):
        raise gr.Error("The path names no file uploaded to this server. Upload the file.", print_exception=False)
    return await copy(place)


def build_ui(service: PredictionService) -> Any:
    """The page as Gradio blocks, not yet mounted; its texts are in its attribute `as_i18n`."""
    labels = _default_labels(service)
    examples = read_examples()
    pieces = {
        "html.header": _both(_header_html),
        "html.examples": _both(lambda language: examples_html(examples, language)),
        "html.empty": _both(lambda language: empty_html(labels, language)),
        "html.spectrogram": _both(empty_spectrogram_html),
        "html.ensemble": _both(no_ensemble_html),
        "html.timeline": _both(empty_timeline_html),
        "html.compare": _both(empty_comparison_html),
        "html.library": _both(empty_library_html),
        "html.library_frame": _both(library_frame_html),
    }
    i18n = build_i18n(pieces)
    handlers = Handlers(service, labels, examples)
    with gr.Blocks(
        title="AcousticSense", analytics_enabled=False, fill_width=True, delete_cache=(_CACHE_LOOK_S, _CACHE_AGE_S)
    ) as page:
        gr.HTML(i18n("html.header"), **_PLAIN)
        with gr.Tabs(elem_classes="as-tabs"):
            with gr.Tab(i18n("tab.classify"), id="classify"):
                _classify_tab(i18n, handlers, service)
            with gr.Tab(i18n("tab.ensemble"), id="ensemble") as ensemble:
                add_ensemble_tab(i18n, service, ensemble)
            with gr.Tab(i18n("tab.timeline"), id="timeline"):
                timeline_tab(i18n, service, lambda: _model_choice(i18n, service), _default_window_s(service))
            with gr.Tab(i18n("tab.compare"), id="compare"):
                build_compare_tab(i18n, service)
            with gr.Tab(i18n("tab.library"), id="library"):
                build_library_tab(i18n, service, lambda: _model_choice(i18n, service))
        gr.events.api(
            handlers.predict,
            api_name="predict",
            concurrency_limit=service.settings.concurrency,
            concurrency_id="predict",
        )
    page.queue(max_size=service.settings.queue_size, default_concurrency_limit=service.settings.concurrency)
    page._queue.sleep_when_free = max(page._queue.sleep_when_free, _QUEUE_LOOK_S)
    page.as_i18n = i18n
    return page


def _classify_tab(i18n: Any, handlers: Handlers, service: PredictionService) -> None:
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=4, min_width=300, elem_classes="as-input"):
            audio = gr.Audio(
                sources=["upload", "microphone"],
                type="filepath",
                label=i18n("audio.label"),
                show_label=False,
                editable=True,
                buttons=[],
                elem_classes="as-audio as-song",
                waveform_options=waveform_options(drawn=True),
            )
            note = gr.HTML("", visible=False, **_PLAIN)
            with gr.Group(elem_classes="as-excerpt"):
                duration = gr.Slider(1, 60, 10, step=1, label=i18n("duration.label"), elem_classes="as-duration")
                with gr.Row(elem_classes="as-excerpt-row"):
                    offset = gr.Number(0, label=i18n("offset.label"), minimum=0, step=1, min_width=130)
                    whole = gr.Checkbox(False, label=i18n("whole.label"), min_width=130, elem_classes="as-whole")
                model = _model_choice(i18n, service)
            button = gr.Button(i18n("classify"), variant="primary", elem_classes="as-go")
            picked = gr.HTML(i18n("html.examples"), apply_default_css=False, js_on_load=_REPORT_EXAMPLE)
        with gr.Column(scale=9, min_width=320, elem_classes="as-output"):
            result = gr.HTML(i18n("html.empty"), elem_classes="as-result-block", **_PLAIN)
    image = gr.HTML(i18n("html.spectrogram"), elem_classes="as-below", apply_default_css=False, js_on_load=_REPORT_KIND)
    heat, heat_computed = build_heatmap_card(service, audio)
    below = gr.HTML("", elem_classes="as-below", **_PLAIN)

    quietly: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    whole.change(lambda on: gr.Slider(interactive=not on), whole, duration, **quietly)
    audio.change(handlers.prepare_player, audio, [audio, note], **quietly)
    picked.click(handlers.choose_example, None, audio, **quietly)
    image.click(
        handlers.show_kind,
        audio,
        image,
        api_visibility="private",
        concurrency_id="predict",
        concurrency_limit=service.settings.concurrency,
        show_progress="minimal",
        trigger_mode="always_last",
    )
    inputs = [audio, duration, whole, offset, model]
    outputs = [result, image, heat, below]
    for trigger, handler in ((audio.change, handlers.classify), (button.click, handlers.classify_now)):
        answered = trigger(
            handler,
            inputs,
            outputs,
            api_visibility="private",
            concurrency_id="predict",
            concurrency_limit=service.settings.concurrency,
            show_progress="minimal",
            show_progress_on=[result],
            trigger_mode="always_last",
            cancels=[heat_computed],
        )
        answered.failure(handlers.explain_failure, None, outputs, **quietly)
        answered.then(None, js="() => window.acousticSenseReveal()", show_progress="hidden", api_visibility="private")


def _model_choice(i18n: Any, service: PredictionService) -> Any:
    """A choice of installed models, the default one first; invisible where there is nothing to choose."""
    default = _default_name(service)
    known = {entry.name: entry.spec for entry in service.models() if entry.spec is not None}
    choices = model_choices(known.pop(default), is_default=True) if default in known else [(default, "")]
    for spec in known.values():
        choices += model_choices(spec)
    return gr.Dropdown(
        choices,
        value="",
        label=i18n("model.label"),
        visible=len(choices) > 1,
        elem_classes="as-model",
    )


def _default_name(service: PredictionService) -> str:
    return service.settings.model or DEFAULT_MODEL


def _default_labels(service: PredictionService) -> tuple[str, ...]:
    """The labels of the model that answers by default; ours where it can't be described yet."""
    try:
        return service.catalog.spec(_default_name(service)).labels
    except AcousticSenseError:
        return GENRES


def _default_window_s(service: PredictionService) -> float:
    """Seconds in a window of the model that answers by default, whole ones; ours where it can't be described yet."""
    try:
        return round(service.catalog.spec(_default_name(service)).windows.window_s)
    except AcousticSenseError:
        return NATIVE_WINDOWS.window_s


def _both(render: Callable[[str], str]) -> tuple[str, str]:
    return render("en"), render("zh")


def _header_html(language: str) -> str:
    links = "".join(
        f'<a href="{address}">{escape(ui_text(key, language))}</a>'
        for key, address in (("link.api", "docs"), ("link.models", "api/models"))
    )
    return (
        f'<header class="as-header"><div class="as-brand">{_MARK}<h1>{escape(ui_text("title", language))}</h1>'
        f"<p>{escape(ui_text('tagline', language))}</p></div><nav>{links}</nav></header>"
    )
