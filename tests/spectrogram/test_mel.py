"""EfficientAT's log-mel: the values its networks were trained on, fed as they are, and shown in grey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from acousticsense.errors import AudioEmptyError
from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL, NATIVE_MEL, NATIVE_WINDOWS, FrontEnd, WindowPolicy
from acousticsense.spectrogram.spectrogram import frequencies_hz, log_spectrogram
from acousticsense.spectrogram.windows import clip_images

AS_LOUD_AS_IT_IS = replace(EFFICIENTAT_MEL, level_dbfs=None)

#: (band, frame) -> value, of a network input that was within 5e-4 (float16) of the one that EfficientAT's own code made
#: of a recording; for `tones`.
GOLDEN = {
    **{(0, 0): 0.4458, (0, 333): -1.1670, (0, 999): -0.6658, (20, 333): -1.2681, (64, 0): 0.5689},
    **{(64, 333): 1.1877, (64, 999): -0.7311, (100, 0): -0.0261, (100, 999): 0.1392, (127, 999): -0.4509},
}


def tones(seconds: int = 10) -> NDArray[np.float32]:
    """A steady tone, one in bursts and one that rises, at 32 kHz."""
    time_s = np.arange(seconds * 32_000) / 32_000
    steady = 0.3 * np.sin(2 * np.pi * 220 * time_s)
    bursts = 0.2 * np.sin(2 * np.pi * 3520 * time_s) * (time_s % 0.5 < 0.1)
    rising = 0.1 * np.sin(2 * np.pi * (100 + 400 * time_s) * time_s)
    return (steady + bursts + rising).astype(np.float32)


def test_the_values_are_those_of_efficientat() -> None:
    fed = AS_LOUD_AS_IT_IS.to_input(clip_images(tones(), AS_LOUD_AS_IT_IS, NATIVE_WINDOWS).inputs)
    assert fed.mean() == pytest.approx(-0.9780, abs=1e-3)
    for (band, frame), value in GOLDEN.items():
        assert fed[0, 0, band, frame] == pytest.approx(value, abs=2e-3)


@pytest.mark.parametrize("window_s", [10.0, 3.0])
def test_a_network_is_fed_one_channel_of_bands_by_frames(window_s: float) -> None:
    windows = WindowPolicy(window_s=window_s)
    clip = clip_images(tones(21), EFFICIENTAT_MEL, windows)
    assert EFFICIENTAT_MEL.input_shape(windows) == (1, 128, round(100 * window_s))
    assert clip.inputs.shape == (len(clip.start_s), 1, 128, round(100 * window_s))
    assert clip.inputs.dtype == torch.float32
    assert clip.spectrogram.shape == (128, 2100)


def test_people_are_shown_the_same_in_grey_with_low_frequencies_at_the_bottom() -> None:
    clip = clip_images(tones(), EFFICIENTAT_MEL, NATIVE_WINDOWS)
    image = clip.images[0].float()
    assert clip.images.shape == (1, 3, 224, 224)
    assert clip.images.dtype == torch.uint8
    assert image[:, 112:].mean() > image[:, :112].mean()
    rows = clip.inputs[0, 0].mean(1).flip(0)
    shown = torch.nn.functional.interpolate(image[:1].mean(2)[None], size=128, mode="linear")[0, 0]
    assert np.corrcoef(rows.numpy(), shown.numpy())[0, 1] > 0.98


def test_the_same_music_is_the_same_at_any_level() -> None:
    loud, soft = (clip_images(gain * tones(), EFFICIENTAT_MEL, NATIVE_WINDOWS).inputs for gain in (1.0, 0.01))
    torch.testing.assert_close(loud, soft, atol=1e-3, rtol=0)


def test_a_window_of_a_long_clip_is_the_window_alone() -> None:
    clip = tones(20)
    together = clip_images(clip, EFFICIENTAT_MEL, NATIVE_WINDOWS).inputs
    alone = clip_images(clip[320_000:], EFFICIENTAT_MEL, NATIVE_WINDOWS).inputs
    torch.testing.assert_close(together[1:], alone)


def test_a_long_clip_is_computed_in_parts_without_a_seam() -> None:
    long, short = tones(60), tones(60)[30 * 32_000 :]
    whole = log_spectrogram(torch.from_numpy(long), AS_LOUD_AS_IT_IS)
    part = log_spectrogram(torch.from_numpy(short), AS_LOUD_AS_IT_IS)
    torch.testing.assert_close(whole[:, 3010:], part[:, 10:], atol=1e-3, rtol=1e-3)


def test_a_tone_is_loudest_in_the_band_of_its_frequency() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(320_000) / 32_000).astype(np.float32)
    spectrogram = clip_images(tone, EFFICIENTAT_MEL, NATIVE_WINDOWS).spectrogram
    centres = frequencies_hz(EFFICIENTAT_MEL)
    assert len(centres) == 128
    assert centres[int(spectrogram.mean(1).argmax())] == pytest.approx(1000, rel=0.03)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(AudioEmptyError, match="513 samples are too few for a spectrum, which takes 514"):
        log_spectrogram(torch.zeros(513), EFFICIENTAT_MEL)
    assert log_spectrogram(torch.zeros(514), EFFICIENTAT_MEL).shape == (128, 2)


def test_recipes_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="mean and std need 1 values each in kaldi style"):
        replace(NATIVE_MEL, style="kaldi")
    with pytest.raises(ValueError, match="kaldi style has mel bands only, not cqt"):
        replace(EFFICIENTAT_MEL, kind="cqt")
    with pytest.raises(ValueError, match="win_length is 4096, at most n_fft = 2048"):
        FrontEnd(win_length=4096)
