"""What the decoder makes of bytes that were found by coverage: python -m benchmarks.fuzz_decoder -runs=20000.

atheris (`pip install atheris`) changes files of every kind that `fuzz_headers` knows, keeps those that reach code which
none reached before, and stops at the first that ends in anything but an answer or an `AudioError`, or takes more than
`-timeout` seconds. Options are libFuzzer's; a folder among them keeps what was found for the next run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["acousticsense.audio"]):
    from acousticsense.audio import AudioLimits, read_clip
from acousticsense.errors import AudioError
from benchmarks.fuzz_headers import KINDS, SHAPES, intact

LIMITS = AudioLimits(max_clip_s=60.0, max_pcm_bytes=2**28)


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
        for number, kind in enumerate(KINDS):
            (Path(seeds) / str(number)).write_bytes(intact(kind, SHAPES[-1])[0])
        atheris.Setup([*sys.argv, "-timeout=5", seeds], decode)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
