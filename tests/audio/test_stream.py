"""Block by block, the samples are those of the clip."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from acousticsense.audio.clip import AudioClip
from acousticsense.audio.limits import AudioLimits
from acousticsense.audio.source import Source
from acousticsense.audio.stream import open_stream
from acousticsense.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioTooLargeError,
)
from tests.audio.files import (
    ENCODERS,
    RATE_HZ,
    WANTED_HZ,
    Samples,
    ffmpeg_file,
    make_signal,
    read,
    sound_file,
)


def _streamed(source: Source, **options: Any) -> tuple[Samples, AudioClip]:
    """An excerpt read block by block, and at once."""
    with open_stream(source, sample_rate_hz=WANTED_HZ, **options) as stream:
        blocks = list(stream.blocks())
        info = stream.info
    clip = read(source, **{"duration_s": None, **options})
    assert info == clip.info
    return np.concatenate(blocks), clip


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize("options", [{}, {"offset_s": 3.3}, {"offset_s": 0.05, "duration_s": 5.0}])
def test_blocks_are_the_clip_in_pieces(kind: str, options: dict[str, float]) -> None:
    streamed, clip = _streamed(ENCODERS[kind](make_signal(12)), **options)
    assert abs(len(streamed) - len(clip.waveform)) <= 1
    np.testing.assert_allclose(streamed[: len(clip.waveform)], clip.waveform[: len(streamed)], atol=1e-6)


@pytest.mark.parametrize("rate_hz", [22_050, 32_000, 192_000])
def test_blocks_at_other_rates(rate_hz: int) -> None:
    streamed, clip = _streamed(sound_file(make_signal(8, rate_hz), rate_hz, kind="WAV"), offset_s=1.1)
    np.testing.assert_allclose(streamed[: len(clip.waveform)], clip.waveform[: len(streamed)], atol=1e-6)


def test_a_stream_has_limits_of_its_own(wav: bytes) -> None:
    limits = AudioLimits(max_clip_s=1.0, max_pcm_bytes=1000, max_stream_s=20.0)
    with (
        pytest.raises(AudioTooLargeError, match="longer than 20 s"),
        open_stream(wav, sample_rate_hz=WANTED_HZ, limits=limits),
    ):
        pass
    with open_stream(wav, sample_rate_hz=WANTED_HZ, limits=limits, duration_s=20.0) as stream:
        assert stream.expected_s == 20.0
        assert sum(map(len, stream.blocks())) == 20 * WANTED_HZ


def test_a_streams_limit_holds_where_the_header_says_nothing() -> None:
    limits = AudioLimits(max_stream_s=5.0)
    with (
        pytest.raises(AudioTooLargeError, match="longer than 5 s"),
        open_stream(ffmpeg_file(make_signal(12), "adts", "aac"), sample_rate_hz=WANTED_HZ, limits=limits) as stream,
    ):
        list(stream.blocks())


def test_a_stream_behind_the_end(wav: bytes) -> None:
    with (
        open_stream(wav, sample_rate_hz=WANTED_HZ, offset_s=500.0) as stream,
        pytest.raises(AudioEmptyError, match="no sound at 500 s"),
    ):
        list(stream.blocks())


def test_a_stream_that_is_no_audio() -> None:
    with (
        pytest.raises(AudioDecodeError, match="cannot be decoded"),
        open_stream(b"text" * 99, sample_rate_hz=WANTED_HZ),
    ):
        pass


def test_a_stream_of_damage(signal: Samples) -> None:
    damaged = signal[: 2 * RATE_HZ].copy()
    damaged[100:110] = np.nan
    streamed, _ = _streamed(sound_file(damaged, kind="WAV", subtype="FLOAT"))
    assert np.isfinite(streamed).all()
    damaged[RATE_HZ:] = np.nan
    with (
        pytest.raises(AudioDecodeError, match="are not numbers"),
        open_stream(sound_file(damaged, kind="WAV", subtype="FLOAT"), sample_rate_hz=WANTED_HZ) as stream,
    ):
        list(stream.blocks())


def test_errors_of_the_reader_of_a_stream_are_its_own(wav: bytes) -> None:
    """No second decoder is tried for them."""
    with pytest.raises(AudioDecodeError, match="mine"), open_stream(wav, sample_rate_hz=WANTED_HZ):
        raise AudioDecodeError("mine")


def test_a_stream_says_what_was_cut(wav: bytes) -> None:
    with open_stream(wav[: len(wav) // 2], sample_rate_hz=WANTED_HZ) as stream:
        list(stream.blocks())
    assert [(note.code, round(note.value)) for note in stream.notes] == [("truncated", 15)]
