"""What the decoder makes of bytes that were found by coverage: python -m benchmarks.fuzz_decoder -runs=20000.

atheris (`pip install atheris`) changes files of every kind that `fuzz_headers` knows and of `OTHERS`, keeps those that
reach code which none reached before, and stops at the first that ends in anything but an answer or an `AudioError`, or
takes more than `-timeout` seconds (5). Options are libFuzzer's; a folder among them keeps what was found for the next
run, and `-max_len=24000` cuts files to their beginnings.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["acousticsense.audio"]):
    from acousticsense.audio.clip import read_clip
    from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import AudioError
from benchmarks.fuzz_headers import KINDS, SHAPES, by_ffmpeg, intact

LIMITS = AudioLimits(max_clip_s=60.0, max_pcm_bytes=2**28)

#: What else FFmpeg writes: container and codec.
OTHERS = (
    ("adts", "aac"),
    ("ac3", "ac3"),
    ("eac3", "eac3"),
    ("caf", "alac"),
    ("au", "pcm_s16be"),
    ("w64", "pcm_s16le"),
    ("tta", "tta"),
    ("wv", "wavpack"),
    ("mpegts", "aac"),
    ("flv", "aac"),
    ("avi", "mp2"),
    ("ogg", "flac"),
    ("wav", "adpcm_ms"),
    ("wav", "pcm_alaw"),
    ("mov", "pcm_s24le"),
    ("voc", "pcm_u8"),
    ("nut", "libopus"),
    ("3gp", "aac"),
)


def decode(data: bytes) -> None:
    """One case."""
    for duration_s, offset_s in ((None, 0.0), (1.0, 1.0)):
        try:
            read_clip(data, sample_rate_hz=22_050, duration_s=duration_s, offset_s=offset_s, limits=LIMITS)
        except AudioError:
            continue


def main() -> None:
    """Fuzzes until libFuzzer is told to stop."""
    with tempfile.TemporaryDirectory() as seeds:
        files = [intact(kind, SHAPES[-1])[0] for kind in KINDS]
        files += [by_ffmpeg(SHAPES[0], container, codec) for container, codec in OTHERS]
        for number, file in enumerate(files):
            (Path(seeds) / str(number)).write_bytes(file)
        atheris.Setup([sys.argv[0], "-timeout=5", *sys.argv[1:], seeds], decode)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
