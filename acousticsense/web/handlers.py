"""What happens when somebody uses the page. No state per user: everything a call needs comes with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast, get_args

import gradio as gr

from acousticsense.audio import read_clip
from acousticsense.errors import AcousticSenseError, RequestError
from acousticsense.i18n.messages import preferred_language
from acousticsense.i18n.page import ui_text
from acousticsense.inference.classifier import MODEL_DEFAULT, Duration
from acousticsense.inference.payload import prediction_payload
from acousticsense.models.spec import ModelSpec
from acousticsense.serving.service import PredictionService, Request
from acousticsense.serving.uploads import uploaded_file
from acousticsense.spectrogram.front_end import NATIVE_MEL, SpectrogramKind
from acousticsense.web.bands_html import bands_html
from acousticsense.web.example_clips import ExampleClip
from acousticsense.web.heatmap_html import heatmap_offer_html
from acousticsense.web.html import escape
from acousticsense.web.result_html import empty_html, error_html, identity_html, result_html
from acousticsense.web.spectrogram_html import empty_spectrogram_html, spectrogram_html
from acousticsense.web.steps_html import steps_html

__all__ = [
    "Handlers",
    "called_with",
    "chosen_model",
    "image_url",
    "language_of",
    "model_choices",
    "path_of",
    "shown_excerpt",
    "uploaded",
    "waveform_options",
]

_log: Final = logging.getLogger(__name__)

#: Stands between model and image in a choice; no name of a model has it.
_KIND_MARK: Final = "|"

#: Longest track whose waveform is drawn: the browser decodes all of it for that.
_WAVEFORM_MAX_S: Final = 900.0
#: Largest file whose waveform is drawn when its length is unknown.
_WAVEFORM_MAX_BYTES: Final = 20 * 2**20


class Handlers:
    """The callbacks of one page.

    Args:
        service: what answers.
        labels: shown before there is an answer.
        examples: the clips that the page offers.
    """

    def __init__(self, service: PredictionService, labels: Sequence[str], examples: Sequence[ExampleClip]) -> None:
        self._service = service
        self._labels = tuple(labels)
        self._examples = tuple(examples)

    def classify(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        path: str | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
    ) -> tuple[str, str, str, str]:
        """The answer card, the spectrogram, the offer of a heat map and the rest, in the browser's language."""
        language = language_of(request)
        if not path:
            return empty_html(self._labels, language), empty_spectrogram_html(language), "", ""
        try:
            source = uploaded(path)
            name_of_model, kind = chosen_model(model)
            wanted = Request(
                model=name_of_model,
                spectrogram=kind,
                duration_s=None if whole_track else duration_s,
                offset_s=offset_s or 0.0,
            )
            analysis = self._service.analyse(source, wanted)
            spec = self._service.classifier(wanted.model).for_spectrogram(wanted.spectrogram).spec
            image_id = self._service.keep_image(analysis)
        except AcousticSenseError as error:
            return error_html(error, self._labels, language), empty_spectrogram_html(language), "", ""
        prediction, name = analysis.prediction, source.name
        return (
            result_html(prediction, name, language),
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
            bands_html(spec, prediction.verdict, language)
            + steps_html(analysis, spec, name, language)
            + identity_html(prediction, language),
        )

    def classify_now(  # noqa: PLR0917 - Gradio passes inputs by position
        self,
        path: str | None,
        duration_s: float,
        whole_track: bool,
        offset_s: float | None,
        model: str | None,
        request: gr.Request,
    ) -> tuple[str, str, str, str]:
        """As `classify`, for the button: without a song it says what is missing."""
        if not path:
            language = language_of(request)
            return error_html(None, self._labels, language, code="nothing"), empty_spectrogram_html(language), "", ""
        return self.classify(path, duration_s, whole_track, offset_s, model, request)

    def explain_failure(self, request: gr.Request) -> tuple[str, str, str, str]:
        """What stands in place of an answer after a fault of ours, which the log has in full."""
        language = language_of(request)
        return error_html(None, self._labels, language, code="unexpected"), empty_spectrogram_html(language), "", ""

    def show_kind(self, path: str | None, request: gr.Request, event: gr.EventData) -> Any:
        """The spectrogram card with a image of another kind; the excerpt is the one that the card shows now."""
        language = language_of(request)
        try:
            source = uploaded(str(path))
            kind, shown = _look_request(event)
            clip = self._service.look(source, shown, kind)
            spec = self._service.classifier(shown.model).spec
        except AcousticSenseError as error:
            raise gr.Error(str(error)) from error
        image_id = self._service.keep_image(clip)
        return spectrogram_html(
            clip.audio.info,
            clip.images,
            spec,
            model=shown.model,
            image_id=image_id,
            name=source.name,
            language=language,
        )

    def prepare_player(self, path: str | None, request: gr.Request) -> tuple[Any, Any]:
        """The player and the note under it: a long track plays without a waveform, and the note says so."""
        try:
            long = bool(path) and is_long(uploaded(str(path)))
        except AcousticSenseError:
            long = False
        words = escape(ui_text("long_track", language_of(request)))
        return (
            gr.Audio(waveform_options=waveform_options(drawn=not long)),
            gr.HTML(f'<p class="as-note">{words}</p>', visible=long),
        )

    def choose_example(self, event: gr.EventData) -> str:
        """The path of the clip that was clicked."""
        return str(self._examples[int(event.index)].path)

    def predict(  # noqa: PLR0917 - Gradio passes inputs by position
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
        try:
            source = uploaded(path_of(audio))
            wanted = called_with(duration_s, offset_s, model, spectrogram, top_k=top_k, private=private)
            analysis = self._service.analyse(source, wanted)
        except AcousticSenseError as error:
            raise gr.Error(str(error)) from error
        body = prediction_payload(analysis.prediction, top_k=top_k, language=language_of(request))
        body["mel_spectrogram_url"] = image_url(self._service, request, self._service.keep_image(analysis))
        return body


def image_url(service: PredictionService, request: gr.Request, image_id: str) -> str:
    """Where the caller can fetch a image that is kept."""
    known = service.settings.public_url or (str(request.request.base_url) if request.request else "")
    return f"{known.rstrip('/')}/api/spectrograms/{image_id}.png"


def model_choices(spec: ModelSpec, *, is_default: bool = False) -> list[tuple[str, str]]:
    """Words and value of each way to ask a model: one, or one for each image that it knows; "" is the default."""
    name = "" if is_default else spec.name
    if len(spec.kinds) == 1:
        return [(spec.name, name)]
    first, *others = spec.kinds
    choices = [(f"{spec.name} · {kind}", f"{name}{_KIND_MARK}{kind}") for kind in others]
    return [(f"{spec.name} · {first}", name), *choices]


def chosen_model(choice: str | None) -> tuple[str, SpectrogramKind | None]:
    """The model and the image that a value of `model_choices` stands for."""
    name, _, kind = (choice or "").partition(_KIND_MARK)
    return name, cast(SpectrogramKind, kind) if kind else None


def uploaded(path: str) -> Path:
    """The uploaded file at `path`; Gradio hands on whatever path a request names.

    Raises:
        RequestError: it lies outside the upload folder, or is gone.
    """
    return uploaded_file(path, Path(gr.utils.get_upload_folder()))


def waveform_options(*, drawn: bool) -> Any:
    """The player's waveform. Without one the browser's own player streams the file; with one it decodes all of it."""
    return gr.WaveformOptions(
        waveform_color="#a39eae",
        waveform_progress_color="#b02a70",
        trim_region_color="#b02a7033",
        show_recording_waveform=drawn,
    )


def is_long(path: Path) -> bool:
    """Whether a track is too long to have its waveform drawn in the browser."""
    try:
        duration_s = read_clip(path, duration_s=0.1, sample_rate_hz=NATIVE_MEL.sample_rate_hz).info.track_duration_s
    except AcousticSenseError:
        return False
    return path.stat().st_size > _WAVEFORM_MAX_BYTES if duration_s is None else duration_s > _WAVEFORM_MAX_S


def _look_request(event: gr.EventData) -> tuple[SpectrogramKind, Request]:
    """Which image of which excerpt a press of a button in the card asks for; a browser may send anything.

    Raises:
        RequestError: no such image, or a excerpt out of range.
    """
    kind = getattr(event, "kind", "")
    if kind not in get_args(SpectrogramKind):
        raise RequestError("There is no such image.", hint=f"Ask for {', '.join(get_args(SpectrogramKind))}.")
    return cast("SpectrogramKind", kind), shown_excerpt(event)


def shown_excerpt(event: gr.EventData) -> Request:
    """The excerpt that a card shows and the model that analysed it, as the card says; a browser may send anything.

    Raises:
        RequestError: the card does not say, or names a excerpt out of range.
    """
    try:
        model, duration_s, offset_s = str(event.model), float(event.duration), float(event.offset)
    except (AttributeError, TypeError, ValueError) as error:
        raise RequestError("The image asked for is not described.", hint="Classify the song again.") from error
    return Request(model=model, duration_s=max(duration_s, 0.1), offset_s=offset_s)


def called_with(
    duration_s: float | None,
    offset_s: float,
    model: str,
    spectrogram: str,
    *,
    top_k: int = 5,
    private: bool = False,
) -> Request:
    """What a call of a Gradio endpoint asks for: there None stands for the model's own duration, and "" for a default.

    Raises:
        RequestError: a value is out of range.
    """
    duration: Duration = MODEL_DEFAULT if duration_s is None else float(duration_s)
    return Request(
        model=model,
        spectrogram=cast(SpectrogramKind, spectrogram) if spectrogram else None,
        duration_s=duration,
        offset_s=float(offset_s),
        top_k=top_k,
        private=private,
    )


def path_of(audio: object) -> str:
    """The path in the file data that a client sent.

    Raises:
        RequestError: there is none.
    """
    path = audio.get("path") if isinstance(audio, dict) else getattr(audio, "path", None)
    if not isinstance(path, str):
        raise RequestError("There is no audio file.", hint='Pass handle_file("song.mp3").')
    return path


def language_of(request: gr.Request | None) -> str:
    """The language that a browser prefers."""
    return preferred_language(request.headers.get("accept-language") if request else None)
