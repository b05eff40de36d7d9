"""What a network sees of a clip: one image, or one log-mel, for each of its windows.

Windows are cut out of the waveform, but in figure style, which repeats what ccmusic-database/music_genre fed its
networks: decibels below the loudest point of the whole clip, cut into windows of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.errors import AudioEmptyError
from acousticsense.spectrogram.front_end import FrontEnd, WindowPolicy
from acousticsense.spectrogram.image import to_image
from acousticsense.spectrogram.spectrogram import frame_s, log_spectrogram

#: Windows worked on at a time: what bounds the memory a long clip takes.
_WINDOWS_AT_ONCE: Final = 8


@dataclass(frozen=True, kw_only=True)
class SpectrogramImages:
    """What the network sees of one clip, and the spectrogram it was made of.

    Attributes:
        inputs: exactly what `FrontEnd.to_input` scales for the network: images, uint8 (n_windows, 3, S, S), or in Kaldi
            and Slaney style log-mels, float32 (n_windows, 1, n_mels, frames).
        spectrogram: float32 (bins, frames) of the whole clip (looped, if shorter than a window) before it became grey
            or coloured: log(value + offset), or dB in figure style; row 0 is the lowest frequency.
        start_s: start of each window in the clip, in seconds.
        front_end: the recipe.
    """

    inputs: Tensor
    spectrogram: Tensor
    start_s: tuple[float, ...]
    front_end: FrontEnd

    @property
    def images(self) -> Tensor:
        """Each window as people are shown it, uint8 (n_windows, 3, S, S): the input itself, or a log-mel in grey."""
        return self.inputs if self.front_end.reads_images else to_image(self.inputs[:, 0], self.front_end)


def clip_images(
    waveform: NDArray[np.float32],
    front_end: FrontEnd,
    windows: WindowPolicy,
    *,
    device: str | torch.device = "cpu",
) -> SpectrogramImages:
    """Cuts a clip into windows and makes of each what the network sees.

    A clip shorter than a window is repeated until it fills one.

    Args:
        waveform: (n_samples,) mono at `front_end.sample_rate_hz`.
        front_end: the recipe.
        windows: how the clip is cut.
        device: where the spectrum is computed and the inputs are left.

    Raises:
        AudioEmptyError: there is no sample.
    """
    if waveform.size == 0:
        raise AudioEmptyError("There is no sound in this clip: 0 samples.", hint="Choose an excerpt inside the track.")
    window_samples = max(1, round(windows.window_s * front_end.sample_rate_hz))
    filled = np.resize(waveform, window_samples) if waveform.size < window_samples else waveform
    with torch.no_grad():
        clip = torch.tensor(filled, dtype=torch.float32, device=device)
        if front_end.style == "figure":
            return _figure_clip(clip, front_end, windows)
        return _waveform_clip(clip, front_end, windows, window_samples)


def _waveform_clip(clip: Tensor, front_end: FrontEnd, windows: WindowPolicy, window_samples: int) -> SpectrogramImages:
    """Windows are cut from the waveform, and each has a spectrogram of its own."""
    starts = _window_starts(clip.shape[-1], window_samples, windows.anchor)
    inputs = []
    for first in range(0, len(starts), _WINDOWS_AT_ONCE):
        chosen = starts[first : first + _WINDOWS_AT_ONCE]
        batch = torch.stack([clip[start : start + window_samples] for start in chosen])
        spectrograms = log_spectrogram(batch, front_end)
        inputs.append(to_image(spectrograms, front_end) if front_end.reads_images else spectrograms[:, None])
    whole = spectrograms[0] if clip.shape[-1] == window_samples else log_spectrogram(clip, front_end)
    return SpectrogramImages(
        inputs=torch.cat(inputs),
        spectrogram=whole,
        start_s=tuple(start / front_end.sample_rate_hz for start in starts),
        front_end=front_end,
    )


def _figure_clip(clip: Tensor, front_end: FrontEnd, windows: WindowPolicy) -> SpectrogramImages:
    """Windows are cut from the frames of the whole clip's spectrogram.

    A window has int(window_s * frames / duration) frames, 490 to 491 at 11.4 s: upstream counts the one frame more that
    a clip has than hops, so the last digit depends on the clip's length.
    """
    whole = log_spectrogram(clip, front_end)
    n_frames = whole.shape[-1]
    duration_s = clip.shape[-1] / front_end.sample_rate_hz
    window = min(n_frames, max(1, int(windows.window_s * n_frames / duration_s)))
    starts = _window_starts(n_frames, window, windows.anchor)
    return SpectrogramImages(
        inputs=torch.cat([to_image(whole[None, :, start : start + window], front_end) for start in starts]),
        spectrogram=whole,
        start_s=tuple(start * frame_s(front_end) for start in starts),
        front_end=front_end,
    )


def _window_starts(total: int, window: int, anchor: Literal["start", "center"]) -> list[int]:
    """Where windows begin in `total` >= `window` samples (or frames).

    "start": one after the other from 0, and a rest of at least half a window becomes a window that ends with the clip.
    "center": as many whole windows as fit, centred.
    """
    count = total // window
    rest = total - count * window
    first = rest // 2 if anchor == "center" else 0
    starts = [first + index * window for index in range(count)]
    if anchor == "start" and 2 * rest >= window:
        starts.append(total - window)
    return starts
