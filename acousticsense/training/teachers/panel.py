"""All teachers together: what they say about the windows of a track."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from acousticsense.training.decode import Sound
from acousticsense.training.teachers import mn04, musicnn

__all__ = ["FEATURE_WIDTHS", "SCORE_WIDTHS", "TeacherPanel"]

#: Widths of the teachers' features and scores, in the order in which they stand side by side.
FEATURE_WIDTHS: Final = {"mn04": 384, "MSD_musicnn": 200, "MTT_musicnn": 200}
SCORE_WIDTHS: Final = {"mn04": 527, "MSD_musicnn": 50, "MTT_musicnn": 50}

MN04_FILE: Final = "mn04_as_mAP_432.pt"
MUSICNN_FILE: Final = "musicnn.safetensors"


class TeacherPanel:
    """mn04 and the two musicnn networks over the same windows."""

    def __init__(self, folder: Path) -> None:
        self._mn04 = mn04.Mn04(folder / MN04_FILE)
        self._taggers = [musicnn.Musicnn(folder / MUSICNN_FILE, name) for name in ("MSD_musicnn", "MTT_musicnn")]

    def __call__(
        self, sound: Sound, starts_s: NDArray[np.float32], window_s: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (W, 784) and scores (W, 627) of the windows that begin at `starts_s` (W,)."""
        high = _windows(sound, mn04.SAMPLE_RATE_HZ, starts_s, window_s)
        low = _windows(sound, musicnn.SAMPLE_RATE_HZ, starts_s, window_s)
        answers = [self._mn04(high), *(tagger(low) for tagger in self._taggers)]
        features, scores = (torch.cat(parts, 1).numpy() for parts in zip(*answers, strict=True))
        return features, scores


def _windows(sound: Sound, sample_rate_hz: int, starts_s: NDArray[np.float32], window_s: float) -> torch.Tensor:
    """Windows (W, n_samples) at another rate; a track that is too short is repeated."""
    samples = sound.at(sample_rate_hz)
    length = round(window_s * sample_rate_hz)
    first = [round(float(start) * sample_rate_hz) for start in starts_s]
    samples = np.resize(samples, max(first[-1] + length, len(samples)))
    return torch.from_numpy(np.stack([samples[start : start + length] for start in first]))
