"""Power in mel bands: on Slaney's scale as librosa has it, and on Kaldi's as EfficientAT was trained with."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, cast

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torchaudio.compliance.kaldi import get_mel_banks, inverse_mel_scale_scalar, mel_scale_scalar
from torchaudio.transforms import MelSpectrogram

from acousticsense.spectrogram.front_end import FrontEnd

#: Spectrum frames worked on at a time: what bounds the memory a long clip takes.
_FRAMES_AT_ONCE: Final = 4096


def mel_power(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """Power in mel bands: float32 (..., n_mels, frames) of (..., n_samples), on the same device.

    Beyond the ends of the clip lies its mirror image, and in figure style silence, librosa's default. Kaldi style
    filters the waveform by y[n] = x[n+1] - pre_emphasis * x[n] first, which leaves one sample less.
    """
    if front_end.pre_emphasis:
        waveform = (waveform[..., :-1] * -front_end.pre_emphasis).add_(waveform[..., 1:])
    compute = _kaldi_power(front_end, waveform.device) if front_end.style == "kaldi" else None
    flat = waveform.reshape(-1, waveform.shape[-1])
    margin = front_end.n_fft // 2
    padded = functional.pad(flat, (margin, margin), mode="constant" if front_end.style == "figure" else "reflect")
    n_frames = 1 + flat.shape[-1] // front_end.hop_length
    power = _by_frames(padded, compute or _slaney_power(front_end, waveform.device), front_end, n_frames)
    return power.reshape(*waveform.shape[:-1], front_end.n_mels, n_frames)


def mel_centres_hz(front_end: FrontEnd) -> NDArray[np.float64]:
    """Centre frequency (n_mels,) of each band, lowest first."""
    n_edges = front_end.n_mels + 2
    if front_end.style != "kaldi":
        return np.asarray(librosa.mel_frequencies(n_edges, fmin=front_end.f_min_hz, fmax=front_end.f_max_hz)[1:-1])
    edges = np.linspace(mel_scale_scalar(front_end.f_min_hz), mel_scale_scalar(front_end.f_max_hz), n_edges)
    return np.array([inverse_mel_scale_scalar(float(mel)) for mel in edges[1:-1]])


def _by_frames(padded: Tensor, compute: Callable[[Tensor], Tensor], front_end: FrontEnd, n_frames: int) -> Tensor:
    """Computes (n, n_mels, n_frames) of waveforms (n, samples) that reach half an FFT beyond either end, in parts."""
    step = max(1, _FRAMES_AT_ONCE // len(padded))
    hop, parts = front_end.hop_length, []
    for first in range(0, n_frames, step):
        last = min(first + step, n_frames)
        parts.append(compute(padded[:, first * hop : (last - 1) * hop + front_end.n_fft]))
    return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]


@lru_cache(maxsize=16)
def _slaney_power(front_end: FrontEnd, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The filter bank of a recipe on a device; frames are not centred, the caller pads."""
    transform = MelSpectrogram(
        sample_rate=front_end.sample_rate_hz,
        n_fft=front_end.n_fft,
        win_length=front_end.win_length,
        hop_length=front_end.hop_length,
        f_min=front_end.f_min_hz,
        f_max=front_end.f_max_hz,
        n_mels=front_end.n_mels,
        power=2.0,
        center=False,
        norm="slaney",
        mel_scale="slaney",
    )
    return cast("Callable[[Tensor], Tensor]", transform.to(device))


@lru_cache(maxsize=4)
def _kaldi_power(front_end: FrontEnd, device: torch.device) -> Callable[[Tensor], Tensor]:
    """As EfficientAT computes it: Kaldi's triangles on 1127 * ln(1 + f / 700), a Hann window that ends in zeros."""
    length = front_end.win_length or front_end.n_fft
    window = torch.hann_window(length, periodic=False, device=device)
    # The last three are vocal tract length warping: its limits, and 1 for none.
    warping: tuple[Any, ...] = (100.0, -500.0, 1.0)
    banks, _ = get_mel_banks(
        front_end.n_mels,
        front_end.n_fft,
        front_end.sample_rate_hz,
        front_end.f_min_hz,
        front_end.f_max_hz,
        *warping,
    )
    banks = functional.pad(banks, (0, 1)).to(device)  # Kaldi leaves the bin at half the sample rate out

    def power(waveforms: Tensor) -> Tensor:
        spectrum = torch.stft(
            waveforms,
            front_end.n_fft,
            front_end.hop_length,
            length,
            window,
            center=False,
            return_complex=True,
        )
        return banks @ (spectrum.real.square() + spectrum.imag.square())

    return power
