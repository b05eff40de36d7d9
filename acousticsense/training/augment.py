"""What happens to music in the world, done to its log-mel spectrogram on the device that trains.

Tempo and pitch, equalisation, microphones and loudspeakers that cut bands, noise, quiet recordings, gaps, silence.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from acousticsense.spectrogram.front_end import NATIVE_MEL
from acousticsense.spectrogram.images import frame_s
from acousticsense.training.bank import WINDOW_FRAMES

__all__ = ["MARGIN_FRAMES", "augment"]

#: Frames that a training window brings beyond the image, so that it can be played faster.
MARGIN_FRAMES: Final = 64

#: How long rooms are followed: 0.9 s.
_ROOM_FRAMES: Final = 40

_FLOOR: Final = NATIVE_MEL.log_offset


def augment(log_mel: Tensor, generator: torch.Generator) -> Tensor:
    """Random views of windows.

    Args:
        log_mel: (n, bins, WINDOW_FRAMES + MARGIN_FRAMES), natural logarithms of power (mel) or magnitude (cqt) plus
            offset. What is done is strong for magnitudes, whose logarithms are half as large.
        generator: source of every choice, on the CPU.

    Returns:
        (n, bins, WINDOW_FRAMES).
    """
    draw = _Draw(len(log_mel), log_mel.device, generator)
    view = _warp(log_mel, draw)
    view = _room(view, draw)
    view = view + _equaliser(draw, view.shape[1])
    view = torch.logaddexp(view + draw.uniform(-4.0, 2.0), _noise(view, draw))
    view = _band_limits(view, draw)
    return _silence(_gaps(view, draw), draw)


class _Draw:
    """Random numbers, one per image, shaped to broadcast over (n, bands, frames)."""

    def __init__(self, n: int, device: torch.device, generator: torch.Generator) -> None:
        self._n, self._device, self._generator = n, device, generator

    def uniform(self, low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(self._n, generator=self._generator)).to(self._device)[:, None, None]

    def happens(self, probability: float) -> Tensor:
        return self.uniform(0.0, 1.0) < probability

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(self._n, *shape, generator=self._generator).to(self._device)


def _warp(log_mel: Tensor, draw: _Draw) -> Tensor:
    """Tempo 0.88..1.13, a shift of up to 3 bands and a stretch of 4 % in pitch, by one bilinear resampling."""
    n, bands, frames = log_mel.shape
    span = WINDOW_FRAMES / frames * draw.uniform(0.88, frames / WINDOW_FRAMES)[:, 0, 0]
    offset = (1 - span) * draw.uniform(-1.0, 1.0)[:, 0, 0]
    pitched = draw.happens(0.6)[:, 0, 0]
    stretch = torch.where(pitched, draw.uniform(0.96, 1.04)[:, 0, 0], 1.0)
    shift = torch.where(pitched, draw.uniform(-6.0, 6.0)[:, 0, 0] / bands, 0.0)
    zero = torch.zeros_like(span)
    theta = torch.stack([torch.stack([span, zero, offset], 1), torch.stack([zero, stretch, shift], 1)], 1)
    grid = functional.affine_grid(theta, [n, 1, bands, WINDOW_FRAMES], align_corners=False)
    return functional.grid_sample(log_mel[:, None], grid, padding_mode="border", align_corners=False)[:, 0]


def _room(view: Tensor, draw: _Draw) -> Tensor:
    """On some images sound fades out exponentially after it was played, 60 dB in 0.3 to 1.5 s, as rooms do."""
    has_room = draw.happens(0.2)[:, 0, 0]
    decay_s = draw.uniform(0.3, 1.5)[:, 0, 0][has_room]
    level = draw.uniform(0.02, 0.4)[has_room]
    if not len(decay_s):
        return view
    frames = torch.arange(1, _ROOM_FRAMES + 1, device=view.device) * frame_s(NATIVE_MEL)
    tail = torch.exp(-math.log(1e6) * frames[None] / decay_s[:, None])
    rooms, bands = len(decay_s), view.shape[1]
    power = view[has_room].exp()
    padded = functional.pad(power, (_ROOM_FRAMES, -1)).transpose(0, 1)  # causal: what was heard before still sounds
    late = functional.conv1d(padded, tail.flip(1)[:, None], groups=rooms).transpose(0, 1)
    view = view.clone()
    view[has_room] = (power + level * late.view(rooms, bands, -1)).log()
    return view


def _equaliser(draw: _Draw, bands: int) -> Tensor:
    """A smooth random gain per band, up to about 12 dB, and a tilt."""
    curve = functional.interpolate(draw.normal(1, 5) * draw.uniform(0.0, 1.2), size=bands, mode="linear")[:, 0]
    tilt = draw.uniform(-1.5, 1.5)[:, 0] * torch.linspace(-1, 1, bands, device=curve.device)
    return (curve + tilt)[:, :, None]


def _noise(view: Tensor, draw: _Draw) -> Tensor:
    """Log power of a noise floor, somewhere between inaudible and 20 dB below the loudest band."""
    peak = view.amax((1, 2), keepdim=True)
    below = torch.where(draw.happens(0.5), draw.uniform(4.6, 14.0), draw.uniform(14.0, 25.0))
    slope = draw.uniform(-3.0, 1.0) * torch.linspace(0, 1, view.shape[1], device=view.device)[None, :, None]
    rough = 0.4 * draw.normal(*view.shape[1:])
    floor = torch.full_like(view, _FLOOR).log()
    return torch.logaddexp(peak - below + slope + rough, floor)


def _band_limits(view: Tensor, draw: _Draw) -> Tensor:
    """Codecs and small loudspeakers: nothing above or below some band, on some images."""
    bands = torch.arange(view.shape[1], device=view.device)[None, :, None]
    lowest = view.amin((1, 2), keepdim=True)
    share = view.shape[1] / NATIVE_MEL.n_mels
    top = torch.where(draw.happens(0.25), share * draw.uniform(75.0, 127.0), 1e9)
    bottom = torch.where(draw.happens(0.12), share * draw.uniform(2.0, 14.0), -1.0)
    return torch.where((bands > top) | (bands < bottom), lowest, view)


def _gaps(view: Tensor, draw: _Draw) -> Tensor:
    """SpecAugment (Park et al., arXiv 1904.08779): one band and one stretch of time set to the image's mean."""
    for axis, longest in ((1, 18.0), (2, 60.0)):
        size = view.shape[axis]
        position = torch.arange(size, device=view.device)
        position = position[None, :, None] if axis == 1 else position[None, None, :]
        width = torch.where(draw.happens(0.6), draw.uniform(0.0, longest), 0.0)
        start = draw.uniform(0.0, float(size) - longest)
        hidden = (position >= start) & (position < start + width)
        view = torch.where(hidden, view.mean((1, 2), keepdim=True), view)
    return view


def _silence(view: Tensor, draw: _Draw) -> Tensor:
    """Some views begin or end in digital silence, as files do: up to 0.7 s of it.

    It sets the darkest point of the image and with it the grey of everything else.
    """
    position = torch.arange(view.shape[2], device=view.device)[None, None, :]
    length = torch.where(draw.happens(0.3), draw.uniform(1.0, 30.0), 0.0)
    hidden = torch.where(draw.happens(0.3), position >= view.shape[2] - length, position < length)
    return torch.where(hidden, math.log(_FLOOR), view)
