"""Magnitudes of a constant-Q transform and shares of a chroma, by librosa."""

from __future__ import annotations

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.spectrogram.front_end import FrontEnd


def cqt_magnitude(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """Magnitude of each cqt bin: float32 (..., n_bins, frames) of (..., n_samples), computed on the CPU."""
    transformed = librosa.cqt(
        waveform.detach().cpu().numpy(),
        sr=front_end.sample_rate_hz,
        hop_length=front_end.hop_length,
        fmin=front_end.f_min_hz,
        n_bins=front_end.n_bins,
        bins_per_octave=front_end.bins_per_octave,
    )
    return torch.from_numpy(np.abs(transformed).astype(np.float32, copy=False)).to(waveform.device)


def chroma_shares(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """Chroma with each frame's largest bin at 1: float32 (..., bins_per_octave, frames), computed on the CPU."""
    samples = waveform.detach().cpu().numpy()
    # One by one: librosa would estimate a single tuning for all of them.
    rows = [_chroma(row, front_end) for row in samples.reshape(-1, samples.shape[-1])]
    values = np.stack(rows).reshape(*samples.shape[:-1], *rows[0].shape)
    return torch.from_numpy(values.astype(np.float32, copy=False)).to(waveform.device)


def cqt_centres_hz(front_end: FrontEnd) -> NDArray[np.float64]:
    """Centre frequency of each row, lowest first; the rows of a chroma, which stand for all octaves, in the fourth."""
    n_bins, lowest = front_end.n_bins, front_end.f_min_hz
    if front_end.kind == "chroma":
        n_bins, lowest = front_end.bins_per_octave, float(librosa.note_to_hz("C4"))
    return np.asarray(librosa.cqt_frequencies(n_bins, fmin=lowest, bins_per_octave=front_end.bins_per_octave))


def _chroma(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    chroma: NDArray[np.float32] = librosa.feature.chroma_stft(
        y=samples,
        sr=front_end.sample_rate_hz,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        n_chroma=front_end.bins_per_octave,
    )
    return chroma
