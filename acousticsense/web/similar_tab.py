"""The tab "Similar": the songs of the server's library that are nearest to one."""

from __future__ import annotations

from typing import Any, Final

import gradio as gr

from acousticsense.errors import AcousticSenseError
from acousticsense.library.similar import SimilarSong, similar_payload
from acousticsense.serving.requests import SimilarRequest, parse
from acousticsense.serving.service import PredictionService
from acousticsense.web.controls import html_block, prediction_queue, song_input, tell_failure
from acousticsense.web.html import render
from acousticsense.web.inputs import refusals, uploaded
from acousticsense.web.language import language_of
from acousticsense.web.message_view import message_html

_SHOWN: Final = 10


def similar_html(name: str, songs: tuple[SimilarSong, ...], n_songs: int, language: str) -> str:
    """The songs nearest to the one that is called `name`, of `n_songs` that were compared."""
    rows = [
        {"name": path[-1], "folder": "/".join(path[:-1]), "song": song}
        for song in songs
        for path in [song.path.replace("\\", "/").split("/")]
    ]
    return render("similar.html", language, name=name, rows=rows, n_songs=f"{n_songs:,}")


class _Similar:
    """The callbacks of the tab."""

    def __init__(self, service: PredictionService) -> None:
        self._service = service

    async def show(self, song: gr.FileData | None, request: gr.Request) -> str:
        """The nearest songs as HTML, in the browser's language."""
        language = language_of(request)
        if not song:
            return message_html("similar", language, code="nothing")
        try:
            file = uploaded(song)
            found = await self._service.answer(lambda: self._service.neighbours.nearest(file.path, _SHOWN))
        except AcousticSenseError as error:
            return message_html("similar", language, error)
        return similar_html(file.name, *found, language)

    async def answer(self, audio: gr.FileData, top_k: int = 10) -> dict[str, Any]:
        """Finds the songs of the server's library that are nearest to one, like POST /api/similar.

        Args:
            audio: the song; gradio_client: `handle_file("song.mp3")`.
            top_k: how many songs, the nearest first.
        """
        with refusals():
            wanted = parse(SimilarRequest, {"top_k": top_k})
            path = uploaded(audio).path
            found = await self._service.answer(lambda: self._service.neighbours.nearest(path, wanted.top_k))
        return similar_payload(*found)


def build_similar_tab(i18n: Any, service: PredictionService) -> None:
    """The contents of the tab, inside the blocks that are being built."""
    callbacks = _Similar(service)
    with gr.Row(elem_classes="as-columns"):
        with gr.Column(scale=5, min_width=300, elem_classes="as-input"):
            song = song_input(i18n, "as-similar-audio")
            button = gr.Button(i18n("similar.go"), variant="primary", elem_classes="as-go")
        with gr.Column(scale=8, min_width=320, elem_classes="as-output"):
            result = html_block(i18n("html.similar"))
    limits = prediction_queue(service)
    found = button.click(
        callbacks.show, song, result, api_visibility="private", show_progress="minimal", trigger_mode="once", **limits
    )
    tell_failure(found, "similar", result)
    gr.events.api(callbacks.answer, api_name="similar", **limits)
