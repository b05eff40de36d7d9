"""Genre prediction in two calls.

>>> from inference import load_model, predict_genre
>>> model = load_model()
>>> predict_genre(model, "song.mp3")
[('Jazz', 0.91), ('Blues', 0.05), ...]
"""

from __future__ import annotations

import sys
from pathlib import Path

from acousticsense.audio import Source
from acousticsense.classifier import GenreClassifier

__all__ = ["load_model", "predict_genre"]


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
    duration_sec: float | None = 10.0,
    offset_sec: float = 0.0,
) -> list[tuple[str, float]]:
    """The `top_k` genres of a stretch of audio with their probabilities (0..1), best first.

    Args:
        model: from `load_model`.
        path: any audio file (or bytes, or a binary file object).
        top_k: how many genres to return.
        duration_sec: seconds to judge; None is the whole track.
        offset_sec: where to begin.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
    """
    prediction = model.predict(path, duration_s=duration_sec, offset_s=offset_sec)
    return [(score.label, score.confidence) for score in prediction.top(top_k)]


if __name__ == "__main__":
    from acousticsense.cli import main

    sys.exit(main(["predict", *sys.argv[1:]]))
