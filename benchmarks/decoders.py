"""What decoding in a process of its own costs a request, over decoding in the server's: python -m benchmarks.decoders.

Both decode ten seconds of the same song in turns; what the decoder itself took is subtracted.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.decoding import Decoder, Recipe, decode
from acousticsense.serving.decoders import DecoderProcesses
from acousticsense.settings import Settings
from benchmarks.common import machine, make_song, parser, tell

_ROUNDS: Final = 100


def main() -> None:
    """Measures and prints."""
    options = parser(__doc__).parse_args()
    recipe = GenreClassifier.load(options.model, settings=Settings()).recipe()
    decoders = DecoderProcesses(timeout_s=60)
    with tempfile.TemporaryDirectory() as folder:
        song = make_song(Path(folder) / "song.mp3", seconds=60).read_bytes()
        for decoder in (decoders.decode, decode):
            decoder(song, recipe)
        taken = [(spent_ms(decoders.decode, song, recipe), spent_ms(decode, song, recipe)) for _ in range(_ROUNDS)]
    in_process, here = (statistics.median(each) for each in zip(*taken, strict=True))
    decoders.close()
    result = {"machine": machine(), "in_a_process_ms": in_process, "here_ms": here}
    tell(result, f"beside decoding: {in_process:.2f} ms in a process, {here:.2f} ms here", options.json)


def spent_ms(decoder: Decoder, song: bytes, recipe: Recipe) -> float:
    """Milliseconds beside decoding itself."""
    started = time.perf_counter()
    clip = decoder(song, recipe)
    return 1000 * (time.perf_counter() - started) - clip.decode_ms


if __name__ == "__main__":
    main()
