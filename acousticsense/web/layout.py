"""Where things stand on the page, and how it becomes part of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import gradio as gr
from fastapi import FastAPI
from starlette.routing import Mount

from acousticsense.audio.names import AUDIO_SUFFIXES
from acousticsense.errors import AcousticSenseError
from acousticsense.i18n.page import GRADIO_LABELS
from acousticsense.inference.equivalence_data import EXAMPLES
from acousticsense.models.genres import GENRES, LABEL_SETS
from acousticsense.models.spec import ModelSpec
from acousticsense.serving.service import PredictionService
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS
from acousticsense.web.classify_tab import build_classify_tab
from acousticsense.web.compare_tab import build_compare_tab
from acousticsense.web.controls import default_name, html_block, model_choices, model_texts
from acousticsense.web.ensemble_tab import build_ensemble_tab
from acousticsense.web.example_clips import read_examples
from acousticsense.web.html import both_languages, render
from acousticsense.web.language import ChosenLanguage
from acousticsense.web.library_routes import add_library_routes
from acousticsense.web.library_tab import build_library_tab
from acousticsense.web.library_view import library_frame_html
from acousticsense.web.message_view import message_html
from acousticsense.web.models_tab import build_models_tab
from acousticsense.web.page_delivery import PageDelivery
from acousticsense.web.panel_routes import add_panel_routes
from acousticsense.web.result_view import blank_html
from acousticsense.web.similar_tab import build_similar_tab
from acousticsense.web.theme import FAVICON, build_i18n, build_theme, read_css, read_head
from acousticsense.web.timeline_tab import build_timeline_tab
from acousticsense.web.upload_guard import UploadGuard
from acousticsense.web.whole_song_view import song_note_html

#: Gradio looks into its queue this often. By itself it does a thousand times a second (but on Windows), whether or not
#: anybody is there, and each time takes the interpreter from the threads that predict. Nothing public sets it.
_QUEUE_LOOK_S: Final = 0.01
#: What `keys.js` listens to.
_KEYS: Final = ("1–9", "o", "c", "s", "p", "t", "?")
#: Ends of the names of files that are taken out of a folder.
_FOLDER_SUFFIXES: Final = sorted(suffix[1:] for suffix in (*AUDIO_SUFFIXES, ".zip"))


def mount_ui(app: FastAPI, service: PredictionService) -> FastAPI:
    """Adds the page to `app` at "/"; what `app` already routes stays as it is."""
    page = build_ui(service)
    _say_how_many_values(page)
    for component in page.blocks.values():  # what the page itself shows goes by no age
        service.files_in_use.add(Path(file) for file in getattr(component, "keep_in_cache", ()))
    add_library_routes(app, service)
    add_panel_routes(app, service)
    app.add_middleware(ChosenLanguage)
    app.add_middleware(PageDelivery)
    app.add_middleware(UploadGuard, upload_dir=Path(gr.utils.get_upload_folder()))
    mounted: FastAPI = gr.mount_gradio_app(
        app,
        page,
        path="/",
        root_path=service.settings.root_path or None,
        i18n=page.as_i18n,
        theme=build_theme(),
        css=read_css(),
        head=read_head(),
        favicon_path=str(FAVICON),
        allowed_paths=[str(EXAMPLES)],
        max_file_size=service.settings.max_upload_mb * 2**20,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        enable_monitoring=False,
        show_error=False,
    )
    (gradio_app,) = (
        route.app for route in mounted.routes if isinstance(route, Mount) and isinstance(route.app, gr.routes.App)
    )
    mounted.state.end_pages = gradio_app.stop_event.set  # open pages listen for ever otherwise
    return mounted


def _say_how_many_values(page: Any) -> None:
    """A call with fewer values than its endpoint takes is answered with a sentence; Gradio alone answers null."""
    validate = page.validate_inputs

    def validate_inputs(endpoint: Any, values: list[Any]) -> None:
        if len(values) < len(endpoint.inputs):
            raise gr.Error(
                f"{len(values)} values were sent and {len(endpoint.inputs)} are needed. "
                "Send null for those that you leave to the server; /gradio_api/info lists them.",
                print_exception=False,
            )
        validate(endpoint, values)

    page.validate_inputs = validate_inputs


def build_ui(service: PredictionService) -> Any:
    """The page as Gradio blocks, not yet mounted; its texts are in its attribute `as_i18n`."""
    spec = _default_spec(service)
    labels = spec.labels if spec else GENRES
    examples = read_examples()
    may_finetune = service.settings.finetune_max_models > 0
    i18n = build_i18n(
        {
            "html.header": (_header("en"), _header("zh")),
            "html.examples": both_languages("examples.html", clips=examples),
            "html.glossary": both_languages("glossary.html", genres=GENRES),
            "html.guess": both_languages("guess.html"),
            "html.history": both_languages(
                "history.html", labels=[label for labels in LABEL_SETS.values() for label in labels]
            ),
            "html.empty": (blank_html(labels, "en"), blank_html(labels, "zh")),
            "html.whole_song": (song_note_html("empty", "en"), song_note_html("empty", "zh")),
            "html.spectrogram": both_languages("spectrogram_empty.html"),
            "html.library_frame": (
                library_frame_html("en", may_finetune=may_finetune),
                library_frame_html("zh", may_finetune=may_finetune),
            ),
            **model_texts(model_choices(service)),
            **{
                f"html.{card}": (message_html(card, "en"), message_html(card, "zh"))
                for card in ("ensemble", "timeline", "compare", "library", "similar")
            },
        }
    )
    with gr.Blocks(title="AcousticSense", analytics_enabled=False, fill_width=True) as page:
        html_block(i18n("html.header"))
        # "wrap" keeps every tab in place instead of in a menu; the style sheet makes it one row that scrolls.
        with gr.Tabs(elem_classes="as-tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab(i18n("tab.classify"), id="classify", elem_classes="as-classify"):
                song, whole_song = build_classify_tab(i18n, service, labels, examples)
            with gr.Tab(i18n("tab.ensemble"), id="ensemble") as ensemble:
                build_ensemble_tab(i18n, service, ensemble)
            with gr.Tab(i18n("tab.timeline"), id="timeline"):
                # Whole seconds: the slider has no others.
                window_s = round((spec.windows if spec else NATIVE_WINDOWS).window_s)
                whole_song.open_in(tabs, "timeline", song, build_timeline_tab(i18n, service, window_s))
            with gr.Tab(i18n("tab.compare"), id="compare"):
                build_compare_tab(i18n, service)
            with gr.Tab(i18n("tab.library"), id="library"):
                build_library_tab(i18n, service, tabs, song)
            if service.neighbours.is_on:
                with gr.Tab(i18n("tab.similar"), id="similar"):
                    build_similar_tab(i18n, service)
            with gr.Tab(i18n("tab.models"), id="models") as models:
                build_models_tab(i18n, service, models, examples[0].path if examples else None)
    page.queue(max_size=service.settings.queue_size, default_concurrency_limit=service.settings.concurrency)
    page._queue.sleep_when_free = max(page._queue.sleep_when_free, _QUEUE_LOOK_S)
    page.as_i18n = i18n
    return page


def _header(language: str) -> str:
    labels = [(label, pair[language == "zh"]) for label, pair in GRADIO_LABELS.items()]
    return render("header.html", language, keys=_KEYS, suffixes=_FOLDER_SUFFIXES, labels=labels)


def _default_spec(service: PredictionService) -> ModelSpec | None:
    """The model that answers by default; None where it can't be described yet."""
    try:
        return service.catalog.spec(default_name(service))
    except AcousticSenseError:
        return None
