"""The logarithmic spectrogram of a waveform, by the recipe in a `FrontEnd`, and what its rows and columns stand for."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.errors import AudioEmptyError
from acousticsense.spectrogram.cqt import chroma_shares, cqt_centres_hz, cqt_magnitude
from acousticsense.spectrogram.front_end import FrontEnd
from acousticsense.spectrogram.mel import mel_centres_hz, mel_power
from acousticsense.spectrogram.upstream import decibels

#: Samples that are brought to double precision at a time.
_SAMPLES_AT_ONCE: Final = 2**20


def log_spectrogram(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """The logarithmic spectrogram of each waveform, brought to `level_dbfs` first if the recipe has one.

    It is log(value + log_offset), where value is a mel band's power, a cqt bin's magnitude or a chroma bin's share; in
    figure style, decibels of its power below the waveform's own maximum, at most `top_db` of them.

    Args:
        waveform: float32 (..., n_samples) at `front_end.sample_rate_hz`, on any device. The mel is computed there; cqt
            and chroma are librosa's, on the CPU.
        front_end: the recipe.

    Returns:
        float32 (..., bins, frames) on the same device, row 0 the lowest frequency; n_samples // hop_length + 1 frames,
        of a sample less after pre-emphasis.

    Raises:
        AudioEmptyError: not more samples than half an FFT.
    """
    least = front_end.n_fft // 2 + 1 + bool(front_end.pre_emphasis)
    if waveform.shape[-1] < least:
        raise AudioEmptyError(
            f"{waveform.shape[-1]} samples are too few for a spectrum, which takes {least}.",
            hint="Choose a longer excerpt.",
        )
    if front_end.level_dbfs is not None:
        waveform = _at_level(waveform, front_end.level_dbfs)
    values = _VALUES[front_end.kind](waveform, front_end)
    if front_end.style == "figure":
        return decibels(values if front_end.kind == "mel" else values.square(), front_end.top_db)
    return torch.log(values + front_end.log_offset)


def frame_s(front_end: FrontEnd) -> float:
    """Seconds from one spectrogram frame to the next."""
    return front_end.hop_length / front_end.sample_rate_hz


def frequencies_hz(front_end: FrontEnd) -> NDArray[np.float64]:
    """Centre frequency (bins,) of each row of a spectrogram, lowest first.

    A row of a chroma stands for all octaves; its frequency is given in the fourth (C4 to B4).
    """
    return mel_centres_hz(front_end) if front_end.kind == "mel" else cqt_centres_hz(front_end)


_VALUES: Final = {"mel": mel_power, "cqt": cqt_magnitude, "chroma": chroma_shares}


def _at_level(waveform: Tensor, level_dbfs: float) -> Tensor:
    """Each waveform (..., n_samples) scaled to an RMS of `level_dbfs`; digital silence stays silent."""
    # In parts, since a long clip in double precision takes a lot of memory.
    parts = torch.split(waveform, _SAMPLES_AT_ONCE, dim=-1)
    energy = torch.stack([part.double().square().sum(-1, keepdim=True) for part in parts]).sum(0)
    rms = (energy / waveform.shape[-1]).sqrt().float()
    return waveform * torch.where(rms > 0, 10 ** (level_dbfs / 20) / rms, 1.0)
