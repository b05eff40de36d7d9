"""Every sample rate gives the same sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from acousticsense.audio.clip import read_clip


def test_a_file_of_the_wanted_rate_loses_the_same_treble_as_any_other(tmp_path: Path) -> None:
    """Else the darkest part of a image, and with it the contrast, would depend on the file's sample rate."""
    noise = np.random.default_rng(0).normal(0, 0.1, 88_200)
    tops = []
    for rate_hz in (22_050, 44_100):
        path = tmp_path / f"{rate_hz}.wav"
        soundfile.write(path, noise[: 2 * rate_hz], rate_hz, subtype="FLOAT")
        waveform = read_clip(path, sample_rate_hz=22_050).waveform
        power = np.abs(np.fft.rfft(waveform, norm="ortho")) ** 2
        tops.append(np.log(power[-1000:].mean() / power[1000:5000].mean()))
    assert tops[0] == pytest.approx(tops[1], abs=0.3)
    assert tops[0] < -2
