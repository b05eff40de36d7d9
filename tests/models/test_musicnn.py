"""musicnn: a network of its own behind the same doors as timm's."""

from __future__ import annotations

from dataclasses import replace

import librosa
import numpy as np
import pytest
import torch

from acousticsense.models.musicnn import Musicnn
from acousticsense.models.networks import OWN_ARCHITECTURES, build_network, classifier_name
from acousticsense.spectrogram.front_end import MUSICNN_MEL, NATIVE_WINDOWS
from acousticsense.spectrogram.spectrogram import log_spectrogram

NAME = "musicnn"


def network() -> Musicnn:
    torch.manual_seed(0)
    built = build_network(NAME, 17)
    assert isinstance(built, Musicnn)
    return built


def test_it_is_registered_beside_timms() -> None:
    assert classifier_name(NAME) == "classifier"
    assert OWN_ARCHITECTURES[NAME].front_end == MUSICNN_MEL
    assert MUSICNN_MEL.input_shape(NATIVE_WINDOWS) == (1, 96, 626)


@pytest.mark.parametrize("frames", [626, 187, 100])
def test_log_mels_of_any_length_become_logits(frames: int) -> None:
    built = network()
    with torch.inference_mode():
        features = built.forward_features(torch.randn(2, 1, 96, frames))
        assert features.shape == (2, 753, 1, frames)
        assert built.forward_head(features, pre_logits=True).shape == (2, built.num_features)
        assert built.forward_head(features).shape == (2, 17)


def test_an_answer_is_the_mean_over_its_patches() -> None:
    built, log_mel = network(), torch.randn(1, 1, 96, 626)
    with torch.inference_mode():
        alone = [built(log_mel[..., first : first + 187]) for first in (0, 187, 374)]
        torch.testing.assert_close(built(log_mel), torch.stack(alone).mean(0))
        changed = log_mel.clone()
        changed[..., 561:] = 5.0
        assert torch.equal(built(changed), built(log_mel)), "what fills no patch is not looked at"
        assert not built.forward_features(log_mel)[..., 561:].any()


def test_the_values_are_those_of_the_package() -> None:
    sound = 0.3 * np.random.default_rng(0).standard_normal(32_000).astype(np.float32)
    power = librosa.feature.melspectrogram(y=sound, sr=16_000, n_fft=512, hop_length=256, n_mels=96)
    as_loud_as_it_is = replace(MUSICNN_MEL, level_dbfs=None)
    fed = as_loud_as_it_is.to_input(log_spectrogram(torch.from_numpy(sound), as_loud_as_it_is)[None])[0]
    np.testing.assert_allclose(fed[:, 2:-2], np.log10(1 + 10_000 * power)[:, 2:-2], atol=1e-3)
