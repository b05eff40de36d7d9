"""Genre prediction in two calls: the package's `load_model` and `predict_genre` under the name that scripts expect.

>>> from inference import load_model, predict_genre
>>> model = load_model()
>>> predict_genre(model, "song.mp3")
[('Jazz', 0.91), ('Blues', 0.05), ...]

Several models at once: `from acousticsense import Ensemble`.
"""

from __future__ import annotations

import argparse
import sys

from acousticsense import AcousticSenseError, load_model, predict_genre

__all__ = ["load_model", "predict_genre"]


def main() -> int:
    """Prints what `predict_genre` returns for each file; 0 when all could be analysed, else 1."""
    parser = argparse.ArgumentParser(description="The genres of audio files, best first.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--model", help="name in models/, folder, file, or hub id")
    parser.add_argument("--top-k", type=int, default=5)
    parser.add_argument("--duration", type=float, default=10.0, help="seconds to predict (10)")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds to skip (0)")
    options = parser.parse_args()
    excerpt = {"duration_sec": options.duration, "offset_sec": options.offset}
    failed = False
    try:
        model = load_model(options.model)
    except AcousticSenseError as error:
        print(error, file=sys.stderr)
        return 1
    for file in options.files:
        try:
            print(predict_genre(model, file, top_k=options.top_k, **excerpt))
        except AcousticSenseError as error:
            failed = True
            print(f"{file}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
