"""Genre prediction in two calls."""

from __future__ import annotations

from numbers import Integral
from pathlib import Path
from typing import Literal

from acousticsense.audio.source import Source
from acousticsense.audio.track import check_number
from acousticsense.errors import RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.spectrogram.front_end import SpectrogramKind


def load_model(reference: str | Path | None = None, *, device: str = "auto") -> GenreClassifier:
    """Loads a model: the default one, a name in models/, a folder, a .pt/.pth/.safetensors file, or a hub id.

    Raises:
        AcousticSenseError: it cannot be found, fetched or trusted; the message says why and what to do.
    """
    return GenreClassifier.load(reference, device=device)


def predict_genre(
    model: GenreClassifier,
    path: Source,
    *,
    top_k: int = 5,
    duration_sec: float | Literal["all"] | None = 10.0,
    offset_sec: float = 0.0,
    spectrogram: SpectrogramKind | None = None,
) -> list[tuple[str, float]]:
    """The `top_k` genres of an excerpt of audio with their probabilities (0..1), best first.

    Args:
        model: from `load_model`.
        path: any audio file (or bytes, or a binary file object).
        top_k: how many genres to return.
        duration_sec: seconds to predict; None or "all" is the whole track.
        offset_sec: where to begin.
        spectrogram: "mel" or "cqt", for models that know both; None is the model's default.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: an argument is out of range.
    """
    check_number("top_k", top_k, "Ask for 1 or more genres.", Integral)
    if top_k < 1:
        raise RequestError(f"top_k is {top_k}.", hint="Ask for 1 or more genres.")
    classifier = model.for_spectrogram(spectrogram)
    prediction = classifier.predict(path, duration_s=duration_sec, offset_s=offset_sec)
    return [(score.label, score.confidence) for score in prediction.top(top_k)]
