"""Waveform to image: the recipe, its invariances, and parity with librosa and with upstream's drawn figures."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Literal

import librosa
import librosa.display
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from acousticsense.errors import AudioEmptyError
from acousticsense.spectrogram.front_end import (
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    WindowPolicy,
    upstream_front_end,
)
from acousticsense.spectrogram.image import to_image
from acousticsense.spectrogram.spectrogram import frame_s, frequencies_hz, log_spectrogram
from acousticsense.spectrogram.windows import clip_images

RATE = 22_050
C1_HZ, C2_HZ, A7_HZ = 32.703, 65.406, 3520.0
Waveform = NDArray[np.float32]

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "examples").iterdir()
    if path.suffix in {".mp3", ".ogg", ".wav", ".flac"}
)
KINDS: tuple[SpectrogramKind, ...] = ("mel", "cqt", "chroma")
FRONT_ENDS = [NATIVE_MEL, NATIVE_CQT, *(upstream_front_end(kind) for kind in KINDS)]


def name_of(front_end: FrontEnd) -> str:
    return f"{front_end.style}-{front_end.kind}"


def sine(frequency_hz: float, duration_s: float = 10.0) -> Waveform:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def noise(duration_s: float, seed: int = 0) -> Waveform:
    n_samples = round(duration_s * RATE)
    return np.random.default_rng(seed).normal(scale=0.1, size=n_samples).astype(np.float32)


def brightest_row(image: torch.Tensor) -> int:
    return int(image.float().mean((0, 2)).argmax())


@pytest.fixture(scope="module", params=EXAMPLES, ids=lambda path: path.stem)
def music(request: pytest.FixtureRequest) -> Waveform:
    return librosa.load(request.param, sr=RATE)[0]


# --- shapes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=name_of)
def test_a_clip_becomes_uint8_images_and_a_float_spectrogram(front_end: FrontEnd) -> None:
    result = clip_images(noise(25), front_end, WindowPolicy(window_s=10.0))
    bins = {"mel": 128, "cqt": 84, "chroma": 12}[front_end.kind]
    assert result.images.shape == (3, 3, 224, 224)
    assert result.images.dtype == torch.uint8
    assert result.spectrogram.shape == (bins, 25 * RATE // 512 + 1)
    assert result.spectrogram.dtype == torch.float32
    assert len(result.start_s) == 3
    assert result.front_end is front_end


def test_the_image_is_as_large_as_the_recipe_says() -> None:
    for front_end in (replace(NATIVE_MEL, image_size=299), upstream_front_end("mel", image_size=299)):
        assert clip_images(noise(10), front_end, NATIVE_WINDOWS).images.shape[-2:] == (299, 299)


def test_leading_dimensions_are_kept() -> None:
    spectrograms = log_spectrogram(torch.from_numpy(noise(6)).reshape(2, 3, RATE), NATIVE_MEL)
    assert spectrograms.shape == (2, 3, 128, 44)
    assert to_image(spectrograms, NATIVE_MEL).shape == (2, 3, 3, 224, 224)


def test_normalised_images_span_minus_one_to_one() -> None:
    black_and_white = torch.stack([torch.zeros(3, 224, 224), torch.full((3, 224, 224), 255)]).to(torch.uint8)
    fed = NATIVE_MEL.to_input(black_and_white)
    assert fed.dtype == torch.float32
    assert fed[0].eq(-1).all()
    assert fed[1].eq(1).all()


def test_normalisation_is_per_channel() -> None:
    front_end = replace(NATIVE_MEL, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    fed = front_end.to_input(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8))
    assert fed[0, :, 0, 0].tolist() == pytest.approx([1.8, 0.8, 0.35])


# --- what the image shows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT], ids=name_of)
def test_low_notes_light_the_bottom_and_high_notes_the_top(front_end: FrontEnd) -> None:
    low = clip_images(sine(C2_HZ), front_end, NATIVE_WINDOWS).images[0]
    high = clip_images(sine(A7_HZ), front_end, NATIVE_WINDOWS).images[0]
    assert brightest_row(low) > 180
    assert brightest_row(high) < 90


@pytest.mark.parametrize("kind", ["mel", "cqt"])
def test_figures_have_low_notes_at_the_bottom_too(kind: SpectrogramKind) -> None:
    low = clip_images(sine(C2_HZ, 12), upstream_front_end(kind), UPSTREAM_WINDOWS).images[0]
    assert brightest_row(low) > 180


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=name_of)
def test_an_a4_lights_the_row_of_its_frequency(front_end: FrontEnd) -> None:
    spectrogram = clip_images(sine(440.0, 12), front_end, UPSTREAM_WINDOWS).spectrogram
    lit = int(spectrogram.mean(-1).argmax())
    centres = frequencies_hz(front_end)
    assert centres.shape == (len(spectrogram),)
    assert lit == int(np.abs(centres - 440.0).argmin())


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT], ids=name_of)
def test_silence_is_black(front_end: FrontEnd) -> None:
    assert not clip_images(np.zeros(10 * RATE, np.float32), front_end, NATIVE_WINDOWS).images.any()


@pytest.mark.filterwarnings("ignore:Trying to estimate tuning:UserWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_figure_is_the_darkest_colour(kind: SpectrogramKind) -> None:
    images = clip_images(np.zeros(12 * RATE, np.float32), upstream_front_end(kind), UPSTREAM_WINDOWS).images
    assert images.max() < 5


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT], ids=name_of)
def test_a_native_image_is_grey_from_black_to_white(front_end: FrontEnd) -> None:
    image = clip_images(noise(10), front_end, NATIVE_WINDOWS).images[0]
    assert image.min() == 0
    assert image.max() == 255
    assert image[0].equal(image[1])
    assert image[0].equal(image[2])


@pytest.mark.parametrize("kind", ["mel", "cqt"])
@pytest.mark.parametrize("quieter_db", [20.0, 40.0, -6.0])
def test_a_recipe_with_a_level_sees_no_loudness(kind: SpectrogramKind, quieter_db: float) -> None:
    waveform = 0.3 * noise(25.0) * np.linspace(0.2, 1.0, 25 * 22_050, dtype=np.float32)
    recipe = replace(NATIVE_MEL if kind == "mel" else NATIVE_CQT, level_dbfs=-20.0)
    loud = clip_images(waveform, recipe, NATIVE_WINDOWS).images.int()
    quiet = clip_images(waveform * np.float32(10 ** (-quieter_db / 20)), recipe, NATIVE_WINDOWS).images.int()
    assert (loud - quiet).abs().max() <= 1


def test_silence_stays_silent_at_any_level() -> None:
    recipe = replace(NATIVE_MEL, level_dbfs=-20.0)
    assert clip_images(np.zeros(220_500, np.float32), recipe, NATIVE_WINDOWS).images.max() == 0


def test_loudness_hardly_matters(music: Waveform) -> None:
    loud, soft = (clip_images(gain * music, NATIVE_MEL, NATIVE_WINDOWS).images.float() for gain in (1.0, 0.5))
    assert (loud - soft).abs().mean() < 12


@pytest.mark.parametrize("kind", KINDS)
def test_loudness_does_not_matter_to_figures(kind: SpectrogramKind) -> None:
    tone = sine(440.0, 12) + noise(12)
    front_end = upstream_front_end(kind)
    loud, soft = (clip_images(gain * tone, front_end, UPSTREAM_WINDOWS).images.float() for gain in (1.0, 0.5))
    assert (loud - soft).abs().mean() < 0.1


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("duration_s", "anchor", "expected"),
    [
        (10.0, "start", [0]),
        (14.9, "start", [0]),
        (15.0, "start", [0, 5]),
        (37.0, "start", [0, 10, 20, 27]),
        (40.0, "start", [0, 10, 20, 30]),
        (10.0, "center", [0]),
        (18.0, "center", [4]),
        (36.0, "center", [3, 13, 23]),
    ],
)
def test_where_windows_begin(duration_s: float, anchor: Literal["start", "center"], expected: list[float]) -> None:
    policy = replace(NATIVE_WINDOWS, anchor=anchor)
    assert clip_images(noise(duration_s), NATIVE_MEL, policy).start_s == pytest.approx(expected)


@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=name_of)
def test_a_short_clip_is_repeated_to_fill_a_window(front_end: FrontEnd) -> None:
    policy = WindowPolicy(window_s=10.0)
    short = noise(3.3)
    looped = np.tile(short, 4)[: 10 * RATE]
    assert clip_images(short, front_end, policy).images.equal(clip_images(looped, front_end, policy).images)


@pytest.mark.filterwarnings("ignore:Trying to estimate tuning:UserWarning")
@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=name_of)
def test_one_sample_is_enough(front_end: FrontEnd) -> None:
    assert clip_images(np.ones(1, np.float32), front_end, NATIVE_WINDOWS).images.shape == (1, 3, 224, 224)


@pytest.mark.parametrize("front_end", [NATIVE_MEL, NATIVE_CQT], ids=name_of)
def test_a_window_looks_the_same_alone_and_in_a_batch(front_end: FrontEnd) -> None:
    clip = noise(100)
    together = clip_images(clip, front_end, NATIVE_WINDOWS).images
    for index in (0, 7, 9):
        alone = clip_images(clip[index * 10 * RATE : (index + 1) * 10 * RATE], front_end, NATIVE_WINDOWS).images[0]
        assert (together[index].int() - alone.int()).abs().max() <= 1


def test_a_long_clip_worked_on_in_excerpts_has_the_spectrogram_of_the_whole() -> None:
    clip = noise(120)
    ours = clip_images(clip, NATIVE_MEL, NATIVE_WINDOWS).spectrogram.numpy()
    power = librosa.feature.melspectrogram(y=clip, sr=RATE, pad_mode="reflect")
    np.testing.assert_allclose(ours, np.log(power + 1e-6), atol=1e-3)


@pytest.mark.filterwarnings("error")
def test_the_clip_is_left_untouched() -> None:
    clip = noise(12)
    before = clip.copy()
    clip.setflags(write=False)
    clip_images(clip, NATIVE_MEL, NATIVE_WINDOWS)
    assert np.array_equal(clip, before)


def test_frames_are_a_hop_apart() -> None:
    assert frame_s(NATIVE_MEL) == pytest.approx(512 / 22_050)


# --- errors -----------------------------------------------------------------------------------------------------------


def test_no_samples_is_an_error() -> None:
    with pytest.raises(AudioEmptyError, match="no sound in this clip: 0 samples"):
        clip_images(np.zeros(0, np.float32), NATIVE_MEL, NATIVE_WINDOWS)


def test_fewer_samples_than_half_an_fft_is_an_error() -> None:
    with pytest.raises(AudioEmptyError, match="1024 samples are too few for a spectrum, which takes 1025"):
        log_spectrogram(torch.zeros(1024), NATIVE_MEL)
    assert log_spectrogram(torch.zeros(1025), NATIVE_MEL).shape == (128, 3)


# --- parity -----------------------------------------------------------------------------------------------------------


def test_native_mel_is_librosas(music: Waveform) -> None:
    ours = log_spectrogram(torch.from_numpy(music), NATIVE_MEL).numpy()
    power = librosa.feature.melspectrogram(y=music, sr=RATE, pad_mode="reflect")
    np.testing.assert_allclose(ours, np.log(power + 1e-6), atol=0.02)


def test_native_cqt_is_librosas(music: Waveform) -> None:
    ours = log_spectrogram(torch.from_numpy(music), NATIVE_CQT).numpy()
    theirs = np.log(np.abs(librosa.cqt(music, sr=RATE)) + 1e-6)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_frequencies_are_librosas() -> None:
    np.testing.assert_allclose(frequencies_hz(NATIVE_CQT), librosa.cqt_frequencies(84, fmin=C1_HZ), rtol=1e-4)
    np.testing.assert_allclose(frequencies_hz(NATIVE_MEL), librosa.mel_frequencies(130, fmin=0, fmax=11_025)[1:-1])


def decibels_by_librosa(waveform: Waveform, kind: SpectrogramKind) -> NDArray[np.float32]:
    if kind == "mel":
        power = librosa.feature.melspectrogram(y=waveform, sr=RATE)
    elif kind == "cqt":
        power = np.abs(librosa.cqt(waveform, sr=RATE)) ** 2
    else:
        power = np.abs(librosa.feature.chroma_stft(y=waveform, sr=RATE)) ** 2
    return np.asarray(librosa.power_to_db(power, ref=np.max))


def drawn_by_matplotlib(window: NDArray[np.float32]) -> NDArray[np.uint8]:
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    librosa.display.specshow(window, ax=axes)
    axes.axis("off")
    file = io.BytesIO()
    figure.savefig(file, format="jpg", bbox_inches="tight", pad_inches=0.0)
    return np.asarray(Image.open(file).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR))


def upstream_images(waveform: Waveform, kind: SpectrogramKind) -> list[NDArray[np.uint8]]:
    decibels = decibels_by_librosa(waveform, kind)
    n_frames = decibels.shape[1]
    step = int(11.4 * n_frames / (len(waveform) / RATE))
    count = n_frames // step
    begin = (n_frames - count * step) // 2
    return [drawn_by_matplotlib(decibels[:, begin + i * step :][:, :step]) for i in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_upstreams_images(music: Waveform, kind: SpectrogramKind) -> None:
    """The promise is 2/255; what is measured is under 0.01/255."""
    clip = music if len(music) >= 11.4 * RATE else np.resize(music, round(11.4 * RATE))
    expected = upstream_images(clip, kind)
    ours = clip_images(music, upstream_front_end(kind), UPSTREAM_WINDOWS).images
    assert len(ours) == len(expected) > 0
    for image, reference in zip(ours.permute(0, 2, 3, 1).numpy(), expected, strict=True):
        assert np.abs(image.astype(int) - reference.astype(int)).mean() < 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_a_long_track_are_upstreams(kind: SpectrogramKind) -> None:
    """Three windows of a track whose loudest point is in the second: the reference is the whole track's."""
    gain = np.repeat(np.array([0.1, 1.0, 0.01], np.float32), [300_000, 300_000, 288_615])
    track = noise(40.3) * gain
    expected = upstream_images(track, kind)
    result = clip_images(track, upstream_front_end(kind), UPSTREAM_WINDOWS)
    assert len(expected) == len(result.images) == 3
    assert result.start_s == pytest.approx((3.05, 14.45, 25.85), abs=0.05)
    for image, reference in zip(result.images.permute(0, 2, 3, 1).numpy(), expected, strict=True):
        assert np.abs(image.astype(int) - reference.astype(int)).mean() < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("front_end", FRONT_ENDS, ids=name_of)
def test_a_gpu_draws_the_same_image(music: Waveform, front_end: FrontEnd) -> None:
    here = clip_images(music, front_end, NATIVE_WINDOWS)
    there = clip_images(music, front_end, NATIVE_WINDOWS, device="cuda")
    assert there.images.device.type == there.spectrogram.device.type == "cuda"
    assert (here.images.float() - there.images.cpu().float()).abs().mean() < 0.1
