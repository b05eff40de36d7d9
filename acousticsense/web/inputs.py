"""What a call from the page or from Gradio's own API asks for. It may come from anybody and name anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import gradio as gr

from acousticsense.errors import AcousticSenseError, RequestError
from acousticsense.library.uploads import Upload
from acousticsense.serving.requests import PredictRequest, parse
from acousticsense.serving.service import PredictionService
from acousticsense.serving.uploads import uploaded_file
from acousticsense.spectrogram.front_end import SpectrogramKind
from acousticsense.web.message_view import sentence_of
from acousticsense.web.model_names import KIND_MARK


@contextmanager
def refusals(language: str = "en") -> Iterator[None]:
    """Makes an `AcousticSenseError` a `gr.Error`, the only one whose words Gradio passes on to the caller.

    What a caller did wrong leaves no traceback in the server's log.
    """
    try:
        yield
    except AcousticSenseError as error:
        raise gr.Error(sentence_of(error, language), print_exception=False) from error


def image_url(service: PredictionService, request: gr.Request, image_id: str) -> str:
    """Where the caller can fetch an image that is kept."""
    return service.image_url(str(request.request.base_url) if request.request else "", image_id)


def chosen_model(choice: str | None) -> tuple[str, SpectrogramKind | None]:
    """The model and the kind of image that a value of a `Choice` stands for."""
    name, _, kind = (choice or "").partition(KIND_MARK)
    return name, cast(SpectrogramKind, kind) if kind else None


def wanted_excerpt(duration_s: float, whole_track: bool, offset_s: float | None, choice: str | None) -> PredictRequest:
    """What the page's controls ask for: seconds, box for the whole track, start, and model.

    Raises:
        RequestError: a value is out of range.
    """
    model, kind = chosen_model(choice)
    return PredictRequest(
        model=model,
        spectrogram=kind,
        duration_s=None if whole_track else duration_s,
        offset_s=start_s(offset_s),
    )


def uploaded(file: object) -> Upload:
    """The uploaded file that a component or a client names, and what its owner calls it.

    Raises:
        RequestError: there is none, it lies outside the upload folder, or it is gone.
    """
    path, name = _path_and_name(file)
    if not isinstance(path, str):
        raise RequestError("There is no audio file.", hint='Pass handle_file("song.mp3").')
    found = uploaded_file(path, Path(gr.utils.get_upload_folder()))
    return Upload(path=found, name=name if isinstance(name, str) and name else found.name)


def uploaded_path(file: object) -> Path | None:
    """Where the file that a component names lies, whether or not it still does; None where it names none."""
    path = _path_and_name(file)[0]
    return Path(path).resolve() if isinstance(path, str) else None


def _path_and_name(file: object) -> tuple[object, object]:
    if isinstance(file, str):
        return file, None
    if isinstance(file, dict):
        return file.get("path"), file.get("orig_name")
    return getattr(file, "path", None), getattr(file, "orig_name", None)


def shown_excerpt(event: gr.EventData) -> PredictRequest:
    """The excerpt that a card shows and the model that analysed it, as the card says; a browser may send anything.

    Raises:
        RequestError: the card does not say, or names an excerpt out of range.
    """
    try:
        model, duration_s, offset_s = str(event.model), float(event.duration), float(event.offset)
    except (AttributeError, TypeError, ValueError) as error:
        raise RequestError("The image asked for is not described.", hint="Classify the song again.") from error
    return PredictRequest(model=model, duration_s=max(duration_s, 0.1), offset_s=offset_s)


def start_s(offset_s: float | None) -> float:
    """Where an excerpt begins by the page's field, which may be empty, or negative by the keyboard."""
    return max(0.0, offset_s or 0.0)


def called_with(
    duration_s: float | None,
    offset_s: float,
    model: str,
    spectrogram: str,
    *,
    top_k: int = 5,
    private: bool = False,
) -> PredictRequest:
    """What a call of a Gradio endpoint asks for: there None stands for the model's own duration, and "" for a default.

    Raises:
        RequestError: a value is out of range.
    """
    return parse(
        PredictRequest,
        {
            "duration_s": duration_s,
            "offset_s": offset_s,
            "model": model,
            "spectrogram": spectrogram,
            "top_k": top_k,
            "private": private,
        },
    )
