"""DTS and AC-3 that look like PCM are decoded or refused by name, never analysed as noise."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
import soundfile

from acousticsense.audio.bitstream import find_bitstream
from acousticsense.audio.source import Slice
from acousticsense.errors import AudioDecodeError
from tests.audio.files import RATE_HZ, Samples, codes, ffmpeg_file, make_signal, pcm16, read, wav_file


@pytest.fixture(scope="module")
def song() -> Samples:
    return make_signal(4)


MARKS = {
    "16 bit": b"\x7f\xfe\x80\x01",
    "16 bit swapped": b"\xfe\x7f\x01\x80",
    "14 bit": b"\x1f\xff\xe8\x00\x07\xf1",
    "14 bit swapped": b"\xff\x1f\x00\xe8\xf1\x07",
}


def _like_dts(mark: bytes, silence: int = 0) -> bytes:
    """Frames that begin as DTS does and hold nothing that can be decoded: FFmpeg's wheel has no encoder for it."""
    noise = np.random.default_rng(1).integers(0, 256, (100, 2048), np.uint8)
    noise[:, : len(mark)] = np.frombuffer(mark, np.uint8)
    return bytes(silence) + noise.tobytes()


@pytest.mark.parametrize("silence", [0, 1 << 16, 3 << 20])
@pytest.mark.parametrize("name", MARKS)
def test_dts_is_recognised_behind_any_silence(name: str, silence: int) -> None:
    found = find_bitstream(Slice(io.BytesIO(_like_dts(MARKS[name], silence))))
    assert found is not None
    assert (found.name, found.kind, found.start) == ("DTS", "dts", silence)


@pytest.mark.parametrize("name", MARKS)
def test_dts_that_cannot_be_decoded_is_refused_by_name_not_read_as_noise(name: str) -> None:
    data = _like_dts(MARKS[name])
    aiff = io.BytesIO()
    soundfile.write(aiff, np.frombuffer(data, ">i2").reshape(-1, 2), RATE_HZ, format="AIFF", subtype="PCM_16")
    for file in (wav_file(data), aiff.getvalue()):
        with pytest.raises(AudioDecodeError, match="DTS"):
            read(file)


def test_music_is_no_bitstream(song: Samples) -> None:
    assert find_bitstream(Slice(io.BytesIO(pcm16(song)))) is None


def test_ac3_as_it_runs_on_a_digital_cable_is_decoded(song: Samples) -> None:
    file = io.BytesIO()
    with av.open(io.BytesIO(ffmpeg_file(song, "ac3", "ac3"))) as packets, av.open(file, "w", format="spdif") as out:
        stream = out.add_stream_from_template(packets.streams.audio[0])
        for packet in packets.demux(packets.streams.audio[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    clip = read(wav_file(file.getvalue()), duration_s=None)
    assert codes(clip) == {"coded_in_pcm"}
    assert clip.info.duration_s == pytest.approx(4.0, abs=0.1)


def test_dts_in_a_flac_file_is_refused_by_name() -> None:
    file = io.BytesIO()
    samples = np.frombuffer(_like_dts(MARKS["16 bit"]), "<i2").reshape(-1, 2)
    soundfile.write(file, samples, RATE_HZ, format="FLAC", subtype="PCM_16")
    with pytest.raises(AudioDecodeError, match="coded stream \\(DTS\\)"):
        read(file.getvalue())
