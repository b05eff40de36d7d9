"""How long the health check of a clip takes: python -m benchmarks.health [--repeats 50].

Ten seconds of stereo at 44.1 kHz are made from each clip in examples/ and checked in turns.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial

import numpy as np
import soxr

from acousticsense.audio.clip import AudioClip, read_clip
from acousticsense.audio.health import check
from acousticsense.audio.types import ClipInfo
from benchmarks.common import example_files, timed_ms

RATE_HZ = 44_100
CLIP_S = 10.0


def main() -> None:
    """Prints the median and the slowest of all runs in ms, and each clip's notes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    clips = {
        file.name: stereo_clip(read_clip(file, sample_rate_hz=22_050, duration_s=CLIP_S)) for file in example_files()
    }
    times_ms = [timed_ms(partial(check, clip)) for _ in range(repeats) for clip in clips.values()]
    print(f"median {statistics.median(times_ms):.1f} ms, slowest {max(times_ms):.1f} ms of {len(times_ms)}")
    for name, clip in clips.items():
        print(f"{name}: {', '.join(note.code for note in check(clip).notes) or 'no notes'}")


def stereo_clip(clip: AudioClip) -> AudioClip:
    """The clip as two channels of 441 000 samples."""
    samples = np.asarray(soxr.resample(clip.channels.T, clip.info.sample_rate_hz, RATE_HZ), np.float32)
    stereo = np.resize(samples, (round(CLIP_S * RATE_HZ), samples.shape[1])).T[[0, -1]]
    info = ClipInfo(
        offset_s=0.0, duration_s=CLIP_S, track_duration_s=None, sample_rate_hz=RATE_HZ, channels=len(stereo)
    )
    return AudioClip(waveform=stereo.mean(axis=0), sample_rate_hz=RATE_HZ, channels=stereo, info=info)


if __name__ == "__main__":
    main()
