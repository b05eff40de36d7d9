"""Limits hold for what is really decoded, while it is decoded."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acousticsense.audio.limits import AudioLimits
from acousticsense.errors import (
    AudioTooLargeError,
)
from tests.audio.files import (
    bare_mp3,
    ffmpeg_file,
    make_signal,
    read,
    sound_file,
)


def test_an_excerpt_over_the_limit(wav: bytes) -> None:
    limits = AudioLimits(max_clip_s=20.0)
    with pytest.raises(AudioTooLargeError, match="longer than 20 s"):
        read(wav, duration_s=None, limits=limits)
    with pytest.raises(AudioTooLargeError, match="longer than 20 s"):
        read(wav, duration_s=21.0, limits=limits)
    assert read(wav, duration_s=20.0, limits=limits).info.duration_s == 20.0
    assert read(wav, duration_s=99.0, offset_s=15.0, limits=limits).info.duration_s == 15.0


def test_the_limits_hold_where_the_header_says_nothing() -> None:
    endless = ffmpeg_file(make_signal(12), "adts", "aac")
    with pytest.raises(AudioTooLargeError, match="longer than 5 s"):
        read(endless, duration_s=None, limits=AudioLimits(max_clip_s=5.0))
    with pytest.raises(AudioTooLargeError, match="more than 1 MiB decoded"):
        read(endless, duration_s=None, limits=AudioLimits(max_pcm_bytes=2**20))


def test_decoded_bytes_count_too(wav: bytes) -> None:
    words = r"longer than 3 s and takes more than 1 MiB decoded.*2 channels at 44100 Hz"
    with pytest.raises(AudioTooLargeError, match=words):
        read(wav, limits=AudioLimits(max_pcm_bytes=2**20))


def _forged_flac(flac: bytes, rate_hz: int, channels: int, n_frames: int) -> bytes:
    """The file with other numbers in its STREAMINFO block."""
    forged = bytearray(flac)
    forged[18:26] = (rate_hz << 44 | channels - 1 << 41 | 15 << 36 | n_frames).to_bytes(8, "big")
    return bytes(forged)


_MEASURE = """
import resource, sys, time
from acousticsense.audio.clip import read_clip
from acousticsense.errors import AudioError
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, started = peak(), time.process_time()
duration = None if sys.argv[2] == "None" else float(sys.argv[2])
try:
    outcome = str(read_clip(sys.argv[1], sample_rate_hz=22050, duration_s=duration).info.duration_s)
except AudioError as error:
    outcome = type(error).__name__
print(outcome, peak() - before, time.process_time() - started)
"""


def _measured(file: Path, duration_s: float | None) -> tuple[str, float, float]:
    """Outcome, growth of the peak memory in MiB, and seconds of CPU, in a process of its own."""
    command = [sys.executable, "-c", _MEASURE, str(file), str(duration_s)]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    outcome, growth, seconds = output.stdout.split()
    return outcome, float(growth), float(seconds)


@pytest.mark.parametrize("duration_s", [10.0, None])
@pytest.mark.parametrize(("rate_hz", "channels"), [(655_350, 8), (44_100, 2)])
def test_a_forged_flac_takes_neither_memory_nor_time(
    tmp_path: Path, flac: bytes, rate_hz: int, channels: int, duration_s: float | None
) -> None:
    file = tmp_path / "forged.flac"
    file.write_bytes(_forged_flac(flac, rate_hz, channels, 2**36 - 1))
    _, growth_mib, cpu_s = _measured(file, duration_s)
    assert growth_mib < 150
    assert cpu_s < 20


@pytest.fixture(scope="module")
def twelve_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mp3 of 12 hours in 173 MB: one minute at 32 kbit/s, 720 times."""
    minute = bare_mp3(make_signal(60, 16_000), 16_000, codec_options={"b": "32000"})
    file = tmp_path_factory.mktemp("long") / "12h.mp3"
    with file.open("wb") as out:
        for _ in range(720):
            out.write(minute)
    return file


@pytest.mark.parametrize(("duration_s", "outcome"), [(10.0, "10.0"), (None, "AudioTooLargeError")])
def test_a_file_of_twelve_hours(twelve_hours: Path, duration_s: float | None, outcome: str) -> None:
    found, growth_mib, cpu_s = _measured(twelve_hours, duration_s)
    assert found == outcome
    assert growth_mib < 150
    assert cpu_s < 20


def test_a_flac_bomb_without_a_length_is_stopped_while_it_decodes(tmp_path: Path) -> None:
    """Forty minutes of digital silence in half a megabyte, 920 MB when decoded; the header does not tell."""
    packed = io.BytesIO()
    silence = np.zeros((48_000 * 60, 2), np.int16)
    with soundfile.SoundFile(packed, "w", 48_000, 2, format="FLAC") as sound:
        for _ in range(40):
            sound.write(silence)
    file = tmp_path / "bomb.flac"
    file.write_bytes(_forged_flac(packed.getvalue(), 48_000, 2, 0))
    found, growth_mib, cpu_s = _measured(file, None)
    assert found == "AudioTooLargeError"
    assert growth_mib < 1.8 * AudioLimits().max_pcm_bytes / 2**20  # the buffer, and its predecessor when it grows
    assert cpu_s < 20


def test_an_opus_bomb() -> None:
    file = sound_file(np.zeros((8_000 * 120, 1), np.float32), 8_000, kind="OGG", subtype="OPUS")
    assert len(file) < 50_000
    with pytest.raises(AudioTooLargeError, match="longer than 60 s"):
        read(file, duration_s=None, limits=AudioLimits(max_clip_s=60.0))
    with pytest.raises(AudioTooLargeError, match="more than 4 MiB decoded"):
        read(file, duration_s=60.0, limits=AudioLimits(max_pcm_bytes=4 * 2**20))
