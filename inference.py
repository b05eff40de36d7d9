"""Genre prediction in two calls.

>>> from inference import load_model, predict_genre
>>> model = load_model()
>>> predict_genre(model, "song.mp3")
[('Jazz', 0.91), ('Blues', 0.05), ...]

Several models at once: `from acousticsense import Ensemble`, see docs/use.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from acousticsense.audio import Source
from acousticsense.errors import AcousticSenseError, RequestError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.spectrogram.front_end import SpectrogramKind

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
    spectrogram: SpectrogramKind | None = None,
) -> list[tuple[str, float]]:
    """The `top_k` genres of a excerpt of audio with their probabilities (0..1), best first.

    Args:
        model: from `load_model`.
        path: any audio file (or bytes, or a binary file object).
        top_k: how many genres to return.
        duration_sec: seconds to predict; None is the whole track.
        offset_sec: where to begin.
        spectrogram: "mel" or "cqt", for models that know both; None is the model's default.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: an argument is out of range.
    """
    if top_k < 1:
        raise RequestError(f"top_k is {top_k}.", hint="Ask for 1 or more genres.")
    prediction = model.predict(path, duration_s=duration_sec, offset_s=offset_sec, kind=spectrogram)
    return [(score.label, score.confidence) for score in prediction.top(top_k)]


def main() -> int:
    """Prints what `predict_genre` returns for each file; 0 when all could be analysed, else 1."""
    parser = argparse.ArgumentParser(description="The genres of audio files, best first.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--model", help="name in models/, folder, file, or hub id")
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds to predict (10)")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to skip (0)")
    options = parser.parse_args()
    failed = False
    try:
        model = load_model(options.model)
    except AcousticSenseError as error:
        print(error, file=sys.stderr)
        return 1
    for file in options.files:
        try:
            print(
                predict_genre(
                    model, file, top_k=options.top_k, duration_sec=options.duration, offset_sec=options.offset
                )
            )
        except AcousticSenseError as error:
            failed = True
            print(f"{file}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
