"""All teachers together: what they say about the windows of a track."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from acousticsense.models.networks import OWN_ARCHITECTURES, build_network
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.spectrogram import log_spectrogram
from acousticsense.training.decode import Sound
from acousticsense.training.images import LEVEL_DBFS
from acousticsense.training.teachers import mn04, musicnn, yamnet

#: Widths of the teachers' features and scores, in the order in which they stand side by side.
FEATURE_WIDTHS: Final = {"mn04": 384, "musicnn": 200, "yamnet": 521}
SCORE_WIDTHS: Final = {"mn04": 527, "musicnn": 50, "yamnet": 521}

MN04_FILE: Final = "mn04_as_mAP_432.pt"
MUSICNN_FILE: Final = "musicnn.safetensors"
YAMNET_FILE: Final = "yamnet_spectra_in.tflite"

#: Windows that are computed at a time: what bounds the memory of a long track.
_AT_ONCE: Final = 8

_Teacher = Callable[[Tensor], tuple[Tensor, Tensor]]


def columns(widths: dict[str, int], teacher: str) -> slice:
    """Where one teacher's values stand in a row of all teachers' values."""
    names = list(widths)
    first = sum(widths[name] for name in names[: names.index(teacher)])
    return slice(first, first + widths[teacher])


def network_of(architecture: str, trunk: Mapping[str, Tensor], classifier: nn.Module) -> nn.Module:
    """A released trunk with a classifier on its features, in eval mode.

    Args:
        architecture: one of `OWN_ARCHITECTURES`.
        trunk: its weights up to the features.
        classifier: features (n, D) -> logits.
    """
    network = build_network(architecture, 1)
    network.classifier = classifier
    own = {f"classifier.{name}": tensor for name, tensor in classifier.state_dict().items()}
    network.load_state_dict({**trunk, **own})
    return network.eval()


@torch.no_grad()
def features_and_logits(network: Any, front_end: FrontEnd, waveforms: Tensor) -> tuple[Tensor, Tensor]:
    """What a `network_of` says of waveforms.

    Args:
        network: which.
        front_end: what it is fed; with a level, waveforms are brought to it first.
        waveforms: float32 (n, n_samples) at the front end's rate.

    Returns:
        Pooled features (n, D), and the classifier's logits.
    """
    log_mels = front_end.to_input(log_spectrogram(waveforms, front_end)[:, None])
    features = network.forward_head(network.forward_features(log_mels), pre_logits=True)
    return features, network.classifier(features)


class Teachers:
    """mn04, musicnn and YAMNet over the same windows."""

    def __init__(self, folder: Path) -> None:
        self._teachers: tuple[tuple[int, _Teacher], ...] = (
            _as_released("efficientat_mn04", mn04, folder / MN04_FILE),
            _as_released("musicnn", musicnn, folder / MUSICNN_FILE),
            (yamnet.SAMPLE_RATE_HZ, yamnet.Yamnet(folder / YAMNET_FILE)),
        )

    def __call__(
        self, sound: Sound, starts_s: NDArray[np.float32], window_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (W, 1105) and scores (W, 1098) of the windows that begin at `starts_s` (W,)."""
        answers = [_features_and_scores(teacher, sound, rate, starts_s, window_s) for rate, teacher in self._teachers]
        features, scores = (np.concatenate(parts, axis=1) for parts in zip(*answers, strict=True))
        return features, scores


def _as_released(architecture: str, reader: Any, release: Path) -> tuple[int, _Teacher]:
    """The rate of a network with its own classifier, and the network; windows that come are at one level already."""
    front_end = replace(OWN_ARCHITECTURES[architecture].front_end, level_dbfs=None)
    network = network_of(architecture, reader.read_trunk(release), reader.read_classifier(release))
    return front_end.sample_rate_hz, partial(features_and_logits, network, front_end)


def _features_and_scores(
    teacher: _Teacher, sound: Sound, sample_rate_hz: int, starts_s: NDArray[np.float32], window_s: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What one teacher says of each window; a track that is too short is repeated, every window as loud."""
    samples = sound.at(sample_rate_hz)
    length = round(window_s * sample_rate_hz)
    first = [round(float(start) * sample_rate_hz) for start in starts_s]
    samples = np.resize(samples, max(first[-1] + length, len(samples)))
    answers = []
    for at in range(0, len(first), _AT_ONCE):
        windows = [samples[start : start + length] for start in first[at : at + _AT_ONCE]]
        windows = [gain_to_level(window) * window for window in windows]
        answers.append(teacher(torch.from_numpy(np.stack(windows))))
    features, scores = (torch.cat(parts).numpy() for parts in zip(*answers, strict=True))
    return features, scores


def gain_to_level(window: NDArray[np.float32]) -> float:
    """The factor that brings a window (n,) to the level that ours have; 1 for silence."""
    rms = float(np.sqrt(np.mean(np.square(window, dtype=np.float64))))
    return float(10 ** (LEVEL_DBFS / 20) / rms) if rms > 0 else 1.0
