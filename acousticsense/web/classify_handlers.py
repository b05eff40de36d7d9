"""What the first tab does: answers, images of another kind, answers that were kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast, get_args

import gradio as gr

from acousticsense.analysis.whole_song import NO_GENRE
from acousticsense.errors import AcousticSenseError, AudioTooLargeError, RequestError
from acousticsense.i18n.page import ui_text
from acousticsense.inference.answer import Analysis
from acousticsense.inference.payload import prediction_payload
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.library.uploads import Upload
from acousticsense.serving.requests import PredictRequest
from acousticsense.serving.service import PredictionService
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.web.controls import is_long, track_duration_s
from acousticsense.web.example_clips import ExampleClip
from acousticsense.web.heatmap_view import heatmap_offer_html
from acousticsense.web.html import clock, render
from acousticsense.web.inputs import called_with, image_url, refusals, shown_excerpt, uploaded, wanted_excerpt
from acousticsense.web.kept_answer import Asked, kept_from_json
from acousticsense.web.language import language_of
from acousticsense.web.levels_view import levels_html
from acousticsense.web.page_runs import PageRuns, Told
from acousticsense.web.result_view import blank_html, identity_html, result_html, state_of
from acousticsense.web.spectrogram_view import spectrogram_html
from acousticsense.web.steps_view import steps_html
from acousticsense.web.timeline_view import progress_words
from acousticsense.web.whole_song_card import WholeSongHandlers
from acousticsense.web.whole_song_view import ExcerptAnswer, song_note_html

#: An answer that takes longer is told of.
_AT_ONCE_S: Final = 1.0

#: Characters of the names that the page gives to answers.
_LONGEST_ID: Final = 40

#: The answer card, the spectrogram, the offer of a heat map, the rest below, the card for the whole song, and what the
#: answer is for.
_Cards = tuple[str, Any, Any, Any, str, ExcerptAnswer | None]

#: The last word of who has nothing more to say: without it Gradio sends once more what was said before.
_AS_IT_IS: Final = cast("_Cards", (gr.skip(),) * 6)


class ClassifyHandlers:
    """The callbacks of the tab; everything a call needs comes with it.

    Args:
        labels: shown before there is an answer.
        examples: the clips that the page offers.
    """

    def __init__(self, service: PredictionService, labels: Sequence[str], examples: Sequence[ExampleClip]) -> None:
        self._service = service
        self.whole_song = WholeSongHandlers(service)
        self._runs: PageRuns[Analysis] = PageRuns()
        self._labels = tuple(labels)
        self._examples = tuple(examples)

    def leave(self, request: gr.Request) -> None:
        """Ends what a page waits for without a word: another answer is on its way."""
        self._runs.leave(request.session_hash)
        self.whole_song.leave(request)

    def stop(self, request: gr.Request) -> None:
        """Gives the page's answer up; whoever tells of it says so."""
        self._runs.stop(request.session_hash)

    async def classify(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        song: gr.FileData | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
        missing: str = "",
    ) -> AsyncGenerator[_Cards, None]:
        """The cards, in the browser's language; before them how far the answer is, when it is not there at once.

        Without a song they are empty, or say what is missing by the trouble of that code.
        """
        language = language_of(request)
        self.leave(request)
        if not song:
            yield self._blank(language, code=missing)
            return
        source, began = None, time.monotonic()
        try:
            source = uploaded(song)
            wanted = wanted_excerpt(duration_s, whole_track, offset_s, model)
            start = partial(self._service.start_answer, source.path, wanted)
            with self._runs.running(request.session_hash, source.path, start) as run:
                await run.wait(_AT_ONCE_S)
                async for told in run.progress():
                    yield self._progress(told, time.monotonic() - began, language)
                if run.is_left:
                    yield _AS_IT_IS
                    return
                if run.job.cancelled:
                    yield self._blank(language, is_stopped=True)
                    return
            asked = Asked(
                duration_s=float(duration_s), whole=bool(whole_track), offset_s=wanted.offset_s, model=model or ""
            )
            cards = await asyncio.to_thread(self._cards, run.job.result(), source, wanted, asked, language)
        except AcousticSenseError as error:
            opens = source is not None and isinstance(error, AudioTooLargeError) and self._fits_timeline(source.path)
            yield self._blank(language, error=error, opens=opens)
            return
        yield cards

    def _cards(self, analysis: Analysis, source: Upload, wanted: PredictRequest, asked: Asked, language: str) -> _Cards:
        spec = self._service.classifier(wanted.model).for_spectrogram(wanted.spectrogram).spec
        image_id = self._service.keep_image(analysis)
        prediction, name = analysis.prediction, source.name
        state = state_of(prediction.health, prediction.verdict)
        part = ExcerptAnswer(
            path=source.path,
            model=wanted.model,
            kind=wanted.spectrogram,
            what=state if state in NO_GENRE else prediction.top(1)[0].label,
            clip=prediction.clip,
        )
        return (
            result_html(prediction, name, language, asked=asked),
            spectrogram_html(
                prediction.clip,
                analysis.images,
                spec,
                model=wanted.model,
                image_id=image_id,
                name=name,
                language=language,
            ),
            heatmap_offer_html(prediction, answer=image_id, model=wanted.model, name=name, language=language),
            levels_html(spec, prediction.verdict, language)
            + steps_html(analysis, spec, name, language)
            + identity_html(prediction, language),
            song_note_html("empty", language),
            part,
        )

    def _progress(self, told: Told, worked_s: float, language: str) -> _Cards:
        """How far the answer is; what shows another one stays until then."""
        progress = progress_words(*told, language)
        if told.expected_s is None and not told.place:  # decoding does not tell
            progress = ui_text("result.reading", language, time=clock(round(worked_s))), 0.0
        answer = blank_html(self._labels, language, progress=progress)
        return answer, gr.skip(), gr.skip(), gr.skip(), song_note_html("empty", language), None

    def _fits_timeline(self, path: Path) -> bool:
        try:
            return (track_duration_s(path) or 0.0) <= self._service.settings.max_timeline_s
        except AcousticSenseError:
            return False

    def recall(self, request: gr.Request, event: gr.EventData) -> _Cards:
        """An answer that the browser kept, without what takes its sound; a browser may send anything."""
        language, recalled = language_of(request), str(getattr(event, "id", ""))[:_LONGEST_ID]
        self.leave(request)
        try:
            kept = kept_from_json(getattr(event, "answer", None))
            prediction = kept.prediction
            result = result_html(prediction, kept.name, language, asked=kept.asked, recalled=recalled)
        except (LookupError, TypeError, ValueError):
            return self._blank(language, code="not_kept")
        image = render("spectrogram_kept.html", language, name=kept.name, clip=prediction.clip, recalled=recalled)
        return result, image, "", identity_html(prediction, language), song_note_html("empty", language), None

    def explain_failure(self, request: gr.Request) -> _Cards:
        """What stands in place of an answer after a fault of ours, which the log has in full."""
        return self._blank(language_of(request), code="unexpected")

    def _blank(self, language: str, **state: Any) -> _Cards:
        """The cards without an answer; see `blank_html` for the states."""
        answer = blank_html(self._labels, language, **state)
        empty = render("spectrogram_empty.html", language), "", "", song_note_html("empty", language)
        return answer, *empty, None

    async def show_kind(self, song: gr.FileData | None, request: gr.Request, event: gr.EventData) -> Any:
        """The spectrogram card with an image of another kind; the excerpt is the one that the card shows now."""
        language = language_of(request)
        with refusals(language):
            source = uploaded(song)
            kind, shown = _look_request(event)
            work = partial(self._service.work.render, source.path, shown, kind)
            clip = await self._service.answer(work, is_answer=False)
            return await asyncio.to_thread(self._spectrogram, clip, source, shown, language)

    def _spectrogram(self, clip: PreparedClip, source: Upload, shown: PredictRequest, language: str) -> str:
        return spectrogram_html(
            clip.audio.info,
            clip.images,
            self._service.classifier(shown.model).spec,
            model=shown.model,
            image_id=self._service.keep_image(clip),
            name=source.name,
            language=language,
        )

    def prepare_player(self, song: gr.FileData | None, request: gr.Request) -> tuple[Any, bool]:
        """The note under the player and whether the player draws: a long track plays without a waveform."""
        try:
            long = song is not None and is_long(uploaded(song).path)
        except AcousticSenseError:
            long = False
        language = language_of(request)
        note = render("note.html", language, kind="as-note", words=ui_text("long_track", language))
        return gr.HTML(note, visible=long), not long

    def choose_example(self, event: gr.EventData) -> str:
        """The path of the clip that was clicked."""
        return str(self._examples[int(event.index)].path)

    async def predict(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        audio: gr.FileData,
        request: gr.Request,
        duration_s: float | None = None,
        offset_s: float = 0.0,
        top_k: int = 5,
        model: str = "",
        spectrogram: str = "",
        private: bool = False,
    ) -> dict[str, Any]:
        """Predicts one audio file, like POST /api/predict.

        Args:
            audio: the file; gradio_client: `handle_file("song.mp3")`.
            request: of the caller.
            duration_s: seconds to predict; None is the model's own choice (10 s for ours).
            offset_s: where the excerpt begins, in seconds.
            top_k: how many labels `prediction` lists, best first.
            model: name of an installed model; "" is the default.
            spectrogram: "mel" or "cqt", for models that know both; "" is the model's default.
            private: keep nothing of the answer for the next who sends the same file.
        """
        with refusals():
            source = uploaded(audio)
            wanted = called_with(duration_s, offset_s, model, spectrogram, top_k=top_k, private=private)
            analysis = await self._service.answer(lambda: self._service.work.predict(source.path, wanted))
        body = prediction_payload(analysis.prediction, top_k=wanted.top_k, language=language_of(request))
        body["mel_spectrogram_url"] = image_url(self._service, request, self._service.keep_image(analysis))
        return body


def _look_request(event: gr.EventData) -> tuple[SpectrogramKind, PredictRequest]:
    """Which image of which excerpt a press of a button in the card asks for; a browser may send anything.

    Raises:
        RequestError: no such image, or an excerpt out of range.
    """
    kind = getattr(event, "kind", "")
    if kind not in get_args(SpectrogramKind):
        raise RequestError("There is no such image.", hint=f"Ask for {', '.join(get_args(SpectrogramKind))}.")
    return cast("SpectrogramKind", kind), shown_excerpt(event)
