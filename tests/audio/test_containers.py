"""The same sound in sixty containers and codings is the same waveform, the same length, the same rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr

from acousticsense.audio.clip import read_clip
from acousticsense.inference.classifier import GenreClassifier
from tests.audio.files import RATE_HZ, WANTED_HZ, Samples, ffmpeg_file, make_signal, read, sound_file

SECONDS = 3.0
Maker = Callable[[Samples], bytes]


def _sf(kind: str, subtype: str, endian: str | None = None) -> Maker:
    return lambda samples: sound_file(samples, kind=kind, subtype=subtype, endian=endian)


def _av(container: str, codec: str, rate_hz: int = RATE_HZ, **codec_options: str) -> Maker:
    def make(samples: Samples) -> bytes:
        if rate_hz != RATE_HZ:
            samples = np.asarray(soxr.resample(samples, RATE_HZ, rate_hz), np.float32)
        return ffmpeg_file(samples, container, codec, rate_hz=rate_hz, codec_options=codec_options)

    return make


#: Lossless: the largest difference of a sample that the coding's steps allow.
LOSSLESS: dict[str, tuple[Maker, float]] = {
    "wav 8 bit": (_sf("WAV", "PCM_U8"), 1e-2),
    "wav 16 bit": (_sf("WAV", "PCM_16"), 5e-5),
    "wav 24 bit": (_sf("WAV", "PCM_24"), 1e-6),
    "wav 32 bit": (_sf("WAV", "PCM_32"), 1e-6),
    "wav float": (_sf("WAV", "FLOAT"), 1e-6),
    "wav double": (_sf("WAV", "DOUBLE"), 1e-6),
    "wav A-law": (_sf("WAV", "ALAW"), 2e-2),
    "wav mu-law": (_sf("WAV", "ULAW"), 2e-2),
    "wav extensible 16 bit": (_sf("WAVEX", "PCM_16"), 5e-5),
    "wav extensible 24 bit": (_sf("WAVEX", "PCM_24"), 1e-6),
    "wav extensible float": (_sf("WAVEX", "FLOAT"), 1e-6),
    "RIFX 16 bit": (_sf("WAV", "PCM_16", "BIG"), 5e-5),
    "RIFX 24 bit": (_sf("WAV", "PCM_24", "BIG"), 1e-6),
    "RIFX float": (_sf("WAV", "FLOAT", "BIG"), 1e-6),
    "RF64": (_sf("RF64", "PCM_16"), 5e-5),
    "Wave64 16 bit": (_sf("W64", "PCM_16"), 5e-5),
    "Wave64 float": (_sf("W64", "FLOAT"), 1e-6),
    "AIFF 8 bit": (_sf("AIFF", "PCM_S8"), 1e-2),
    "AIFF 16 bit": (_sf("AIFF", "PCM_16"), 5e-5),
    "AIFF 24 bit": (_sf("AIFF", "PCM_24"), 1e-6),
    "AIFF-C little-endian": (_sf("AIFF", "PCM_16", "LITTLE"), 5e-5),
    "AIFF-C float": (_sf("AIFF", "FLOAT"), 1e-6),
    "AIFF-C double": (_sf("AIFF", "DOUBLE"), 1e-6),
    "AIFF-C mu-law": (_sf("AIFF", "ULAW"), 2e-2),
    "CAF 16 bit": (_sf("CAF", "PCM_16"), 5e-5),
    "CAF little-endian": (_sf("CAF", "PCM_16", "LITTLE"), 5e-5),
    "CAF 24 bit": (_sf("CAF", "PCM_24"), 1e-6),
    "CAF float": (_sf("CAF", "FLOAT"), 1e-6),
    "CAF ALAC": (_sf("CAF", "ALAC_16"), 5e-5),
    "au 16 bit": (_sf("AU", "PCM_16"), 5e-5),
    "au float": (_sf("AU", "FLOAT"), 1e-6),
    "au mu-law": (_sf("AU", "ULAW"), 2e-2),
    "NIST": (_sf("NIST", "PCM_16"), 5e-5),
    "Matlab 5": (_sf("MAT5", "FLOAT"), 1e-6),
    "FLAC 16 bit": (_sf("FLAC", "PCM_16"), 5e-5),
    "FLAC 24 bit": (_sf("FLAC", "PCM_24"), 1e-6),
    "FLAC 8 bit": (_sf("FLAC", "PCM_S8"), 1e-2),
    "Ogg FLAC": (_av("ogg", "flac"), 5e-5),
    "mp4 FLAC": (_av("mp4", "flac"), 5e-5),
    "Matroska FLAC": (_av("matroska", "flac"), 5e-5),
    "Matroska PCM": (_av("matroska", "pcm_s16le"), 5e-5),
    "QuickTime PCM big-endian": (_av("mov", "pcm_s16be"), 5e-5),
    "QuickTime PCM 24 bit": (_av("mov", "pcm_s24le"), 1e-6),
    "m4a ALAC": (_av("ipod", "alac"), 5e-5),
    "avi PCM": (_av("avi", "pcm_s16le"), 5e-5),
    "nut PCM": (_av("nut", "pcm_s16le"), 5e-5),
    "WavPack 8 bit": (_av("wv", "wavpack"), 1e-2),
    "True Audio 8 bit": (_av("tta", "tta"), 1e-2),
}
#: Lossy: samples in a frame, by one or two of which the length may differ.
LOSSY: dict[str, tuple[Maker, int]] = {
    "mp3": (_sf("MP3", "MPEG_LAYER_III"), 1152),
    "Ogg Vorbis": (_sf("OGG", "VORBIS"), 1024),
    "Ogg Opus": (_av("ogg", "libopus", 48_000), 960),
    "webm Opus": (_av("webm", "libopus", 48_000), 960),
    "m4a AAC": (_av("ipod", "aac", b="192000"), 1024),
    "mp4 AAC": (_av("mp4", "aac", b="192000"), 1024),
    "ADTS AAC": (_av("adts", "aac", b="192000"), 1024),
    "MPEG-TS AAC": (_av("mpegts", "aac", b="192000"), 1024),
    "MPEG-TS mp2": (_av("mpegts", "mp2", b="384000"), 1152),
    "mp2": (_av("mp2", "mp2", b="384000"), 1152),
    "AC-3": (_av("ac3", "ac3", b="448000"), 1536),
    "WMA": (_av("asf", "wmav2", b="192000"), 2048),
    "Matroska mp3": (_av("matroska", "libmp3lame", b="256000"), 1152),
    "wav IMA ADPCM": (_av("wav", "adpcm_ima_wav"), 2048),
}


@pytest.fixture(scope="module")
def original() -> Samples:
    return make_signal(SECONDS)


@pytest.fixture(scope="module")
def reference(original: Samples) -> Samples:
    return read(sound_file(original, kind="WAV", subtype="FLOAT"), duration_s=None).waveform


def test_there_are_sixty_of_them() -> None:
    assert len(LOSSLESS) + len(LOSSY) >= 60


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_is_the_same_sample_for_sample(name: str, original: Samples, reference: Samples) -> None:
    make, step = LOSSLESS[name]
    clip = read(make(original), duration_s=None)
    assert (clip.info.sample_rate_hz, clip.info.channels, clip.info.duration_s) == (RATE_HZ, 2, SECONDS)
    np.testing.assert_allclose(clip.waveform, reference, atol=step)
    assert clip.notes == ()


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_has_the_same_length_and_spectrum(name: str, original: Samples, reference: Samples) -> None:
    make, frame = LOSSY[name]
    clip = read(make(original), duration_s=None)
    assert clip.info.duration_s == pytest.approx(SECONDS, abs=2 * frame / RATE_HZ)
    assert clip.notes == ()
    np.testing.assert_allclose(_bands_db(clip.waveform), _bands_db(reference), atol=1.5)


def _bands_db(waveform: Samples) -> Samples:
    """Level in ten bands up to 6 kHz, where the test sound ends."""
    power = np.abs(np.fft.rfft(waveform[: 2 * WANTED_HZ])) ** 2
    bands = np.array_split(power[: 2 * 5_500], 10)
    return np.asarray([10 * np.log10(band.mean()) for band in bands], np.float32)


@pytest.fixture(scope="module")
def music() -> Samples:
    """Ten seconds of a real piece, stereo (n, 2), at half of full scale."""
    file = sorted((Path(__file__).parents[2] / "examples").glob("*.mp3"))[0]
    clip = read_clip(file, sample_rate_hz=RATE_HZ, duration_s=10.0)
    stereo = soxr.resample(clip.channels[:2].T, clip.info.sample_rate_hz, RATE_HZ)
    stereo = np.repeat(stereo, 2, axis=1) if stereo.shape[1] == 1 else stereo
    return np.asarray(0.5 * stereo / np.abs(stereo).max(), np.float32)


def _surround(samples: Samples) -> Samples:
    return np.pad(samples, ((0, 0), (0, 4)))


#: What becomes of the sound, and by how much a probability may then differ.
VARIANTS: dict[str, tuple[Callable[[Samples], bytes], float]] = {
    "RIFX": (_sf("WAV", "PCM_24", "BIG"), 0.02),
    "AIFF": (_sf("AIFF", "PCM_16"), 0.02),
    "FLAC": (_sf("FLAC", "PCM_16"), 0.02),
    "ALAC": (_av("ipod", "alac"), 0.02),
    "one channel inverted": (lambda x: sound_file(x * np.float32([1, -1]), kind="WAV", subtype="FLOAT"), 0.02),
    "within 5.1": (lambda x: sound_file(_surround(x), kind="WAV", subtype="FLOAT"), 0.02),
    "mp3": (_sf("MP3", "MPEG_LAYER_III"), 0.1),
    "AAC": (_av("mp4", "aac", b="192000"), 0.1),
    "Opus": (_av("webm", "libopus", 48_000), 0.1),
}


def test_the_same_sound_gives_the_same_probabilities(music: Samples) -> None:
    classifier = GenreClassifier.load()
    expected = classifier.predict(sound_file(music, kind="WAV", subtype="FLOAT")).probabilities
    far = {}
    for name, (make, most) in VARIANTS.items():
        found = classifier.predict(make(music)).probabilities
        difference = max(abs(found[label] - expected[label]) for label in expected)
        if difference > most:
            far[name] = difference
    assert far == {}
