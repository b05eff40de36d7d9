"""How often encoding the same music again is called a change: python -m benchmarks.reencoding [--model NAME].

Each clip in examples/ is compared with itself as mp3, Vorbis, Opus and 16-bit wav at 48 kHz.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from acousticsense.analysis.compare import compare_versions
from acousticsense.audio.clip import read_clip
from acousticsense.inference.classifier import GenreClassifier
from benchmarks.common import example_files

ENCODINGS = (("MP3", None), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("WAV", "PCM_16"))
OPUS_RATE_HZ = 48_000


def main() -> None:
    """Prints a line per clip and encoding, and the count of false claims."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model")
    classifier = GenreClassifier.load(parser.parse_args().model)
    claims = []
    for file in example_files():
        for container, codec in ENCODINGS:
            (comparison,) = compare_versions(classifier, (file, encode(file, container, codec)))
            largest = max(abs(change) for change in comparison.differences.values())
            claims.append([finding.code for finding in comparison.findings] != ["nothing"])
            print(
                f"{file.name} {codec or container}: largest change {largest:.3f}, "
                f"threshold {comparison.threshold:.3f}, {', '.join(finding.code for finding in comparison.findings)}"
            )
    print(f"{sum(claims)} of {len(claims)} encodings of the same music were called a change")


def encode(file: Path, container: str, codec: str | None) -> bytes:
    """The analysed excerpt of a file, at 48 kHz but for mp3 and Vorbis, in memory."""
    clip = read_clip(file, sample_rate_hz=22_050, duration_s=10.0)
    samples, rate_hz = clip.channels.T, clip.info.sample_rate_hz
    if codec in ("OPUS", "PCM_16"):
        samples, rate_hz = np.asarray(soxr.resample(samples, rate_hz, OPUS_RATE_HZ), np.float32), OPUS_RATE_HZ
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format=container, subtype=codec)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
