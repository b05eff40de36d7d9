"""From a mono waveform to the image a network sees, by the recipe in a `FrontEnd`.

Two steps: `log_spectrogram` makes (bins, frames) with the lowest frequency in row 0; `to_image` makes an image of it
with the lowest frequency at the bottom. `clip_images` does both for a whole clip, one image per window.

Native style cuts windows out of the waveform. Figure style repeats what ccmusic-database/music_genre fed its networks:
decibels below the loudest point of the whole clip, cut into windows of frames, each drawn in magma as a matplotlib
figure would draw it, through a JPEG. No figure is made here: the same pixels are looked up.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal, cast

import librosa
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchaudio.transforms import MelSpectrogram

from acousticsense.errors import AudioEmptyError
from acousticsense.spectrogram.front_end import FrontEnd, WindowPolicy

__all__ = [
    "SpectrogramImages",
    "clip_images",
    "frame_s",
    "frequencies_hz",
    "log_spectrogram",
    "normalise",
    "to_image",
]

#: Log values that differ by less are rounding noise of the resize: the image is flat.
_FLAT_SPAN: Final = 1e-4

#: Spectrum frames, and windows, worked on at a time: what bounds the memory a long clip takes.
_FRAMES_AT_ONCE: Final = 4096
_WINDOWS_AT_ONCE: Final = 8

#: Powers below are taken for this one before decibels are made of them: the default of `librosa.power_to_db`.
_SMALLEST_POWER: Final = 1e-10

#: Pixels that matplotlib leaves of its default figure when saved with a tight box and without axes: 77.5 % of 640, and
#: of the 77 % of 480 (369.6) those that are whole. The mesh is spread over all 369.6.
_FIGURE_WIDTH: Final = 496
_FIGURE_HEIGHT: Final = 369
_MESH_HEIGHT_TENTHS: Final = 3696


@dataclass(frozen=True, kw_only=True)
class SpectrogramImages:
    """What the network sees of one clip, and the spectrogram it was made of.

    Attributes:
        images: uint8 (n_windows, 3, S, S), exactly what is normalised and fed.
        spectrogram: float32 (bins, frames) of the whole clip (looped, if shorter than a window) before it became grey
            or coloured: log(value + offset), or dB in figure style; row 0 is the lowest frequency.
        start_s: start of each window in the clip, in seconds.
        front_end: the recipe.
    """

    images: Tensor
    spectrogram: Tensor
    start_s: tuple[float, ...]
    front_end: FrontEnd


def clip_images(
    waveform: NDArray[np.float32],
    front_end: FrontEnd,
    windows: WindowPolicy,
    *,
    device: str | torch.device = "cpu",
) -> SpectrogramImages:
    """Cuts a clip into windows and makes a image of each.

    A clip shorter than a window is repeated until it fills one.

    Args:
        waveform: (n_samples,) mono at `front_end.sample_rate_hz`.
        front_end: the recipe.
        windows: how the clip is cut.
        device: where the spectrum is computed and the images are left.

    Raises:
        AudioEmptyError: there is no sample.
    """
    if waveform.size == 0:
        raise AudioEmptyError("There is no sound in this clip: 0 samples.", hint="Choose a excerpt inside the track.")
    window_samples = max(1, round(windows.window_s * front_end.sample_rate_hz))
    filled = np.resize(waveform, window_samples) if waveform.size < window_samples else waveform
    with torch.no_grad():
        clip = torch.tensor(filled, dtype=torch.float32, device=device)
        if front_end.style == "figure":
            return _figure_clip(clip, front_end, windows)
        return _native_clip(clip, front_end, windows, window_samples)


def _native_clip(clip: Tensor, front_end: FrontEnd, windows: WindowPolicy, window_samples: int) -> SpectrogramImages:
    """Windows are cut from the waveform, and each has a spectrogram of its own."""
    starts = _window_starts(clip.shape[-1], window_samples, windows.anchor)
    images = []
    for first, last in _excerpts(len(starts), _WINDOWS_AT_ONCE):
        batch = torch.stack([clip[start : start + window_samples] for start in starts[first:last]])
        spectrograms = log_spectrogram(batch, front_end)
        images.append(to_image(spectrograms, front_end))
    whole = spectrograms[0] if clip.shape[-1] == window_samples else log_spectrogram(clip, front_end)
    return SpectrogramImages(
        images=torch.cat(images),
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
        images=torch.cat([to_image(whole[None, :, start : start + window], front_end) for start in starts]),
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


def log_spectrogram(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """The logarithmic spectrogram of each waveform.

    Native style: log(value + log_offset), where value is a mel band's power, a cqt bin's magnitude or a chroma bin's
    share, of the waveform brought to `level_dbfs` if the recipe has one. Figure style: decibels of its power below the waveform's own maximum, at most `top_db` of them.

    Args:
        waveform: float32 (..., n_samples) at `front_end.sample_rate_hz`, on any device. The mel is computed there; cqt
            and chroma are librosa's, on the CPU.
        front_end: the recipe.

    Returns:
        float32 (..., bins, frames) on the same device, row 0 the lowest frequency; n_samples // hop_length + 1 frames.

    Raises:
        AudioEmptyError: not more samples than half an FFT.
    """
    if waveform.shape[-1] <= front_end.n_fft // 2:
        raise AudioEmptyError(
            f"{waveform.shape[-1]} samples are too few for a spectrum, which takes {front_end.n_fft // 2 + 1}.",
            hint="Choose a longer excerpt.",
        )
    if front_end.level_dbfs is not None:
        waveform = _at_level(waveform, front_end.level_dbfs)
    values = _mel_power(waveform, front_end) if front_end.kind == "mel" else _librosa_values(waveform, front_end)
    if front_end.style == "native":
        return torch.log(values + front_end.log_offset)
    return _decibels(values if front_end.kind == "mel" else values.square(), front_end.top_db)


def _at_level(waveform: Tensor, level_dbfs: float) -> Tensor:
    """Each waveform (..., n_samples) scaled to an RMS of `level_dbfs`; digital silence stays silent."""
    rms = waveform.double().square().mean(-1, keepdim=True).sqrt().float()
    return waveform * torch.where(rms > 0, 10 ** (level_dbfs / 20) / rms, 1.0)


def _decibels(power: Tensor, top_db: float | None) -> Tensor:
    """dB below the maximum over each (bins, frames), as `librosa.power_to_db(power, ref=np.max)` has them."""
    level = 10.0 * torch.log10(power.clamp(min=_SMALLEST_POWER))
    below_maximum = level - level.amax((-2, -1), keepdim=True)
    return below_maximum if top_db is None else below_maximum.clamp(min=-top_db)


def _librosa_values(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """Magnitudes of cqt bins, or chroma with each frame's largest bin at 1: (..., bins, frames)."""
    samples = waveform.detach().cpu().numpy()
    if front_end.kind == "cqt":
        values = np.abs(_cqt(samples, front_end))
    else:
        # One by one: librosa would estimate a single tuning for all of them.
        rows = [_chroma(row, front_end) for row in samples.reshape(-1, samples.shape[-1])]
        values = np.stack(rows).reshape(*samples.shape[:-1], *rows[0].shape)
    return torch.from_numpy(values.astype(np.float32, copy=False)).to(waveform.device)


def _cqt(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.complex64]:
    transformed: NDArray[np.complex64] = librosa.cqt(
        samples,
        sr=front_end.sample_rate_hz,
        hop_length=front_end.hop_length,
        fmin=front_end.f_min_hz,
        n_bins=front_end.n_bins,
        bins_per_octave=front_end.bins_per_octave,
    )
    return transformed


def _chroma(samples: NDArray[np.float32], front_end: FrontEnd) -> NDArray[np.float32]:
    chroma: NDArray[np.float32] = librosa.feature.chroma_stft(
        y=samples,
        sr=front_end.sample_rate_hz,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        n_chroma=front_end.bins_per_octave,
    )
    return chroma


def _mel_power(waveform: Tensor, front_end: FrontEnd) -> Tensor:
    """Power in mel bands (..., n_mels, frames), computed excerpt by excerpt.

    Beyond the ends of the clip lies its mirror image in native style, and silence (librosa's default) in figure style.
    """
    transform = _mel_transform(front_end, waveform.device)
    flat = waveform.reshape(-1, waveform.shape[-1])
    margin = front_end.n_fft // 2
    padded = functional.pad(flat, (margin, margin), mode="reflect" if front_end.style == "native" else "constant")
    n_frames = 1 + flat.shape[-1] // front_end.hop_length
    step = max(1, _FRAMES_AT_ONCE // len(flat))
    pieces = [
        transform(padded[:, first * front_end.hop_length : (last - 1) * front_end.hop_length + front_end.n_fft])
        for first, last in _excerpts(n_frames, step)
    ]
    power = torch.cat(pieces, dim=-1) if len(pieces) > 1 else pieces[0]
    return cast(Tensor, power.reshape(*waveform.shape[:-1], front_end.n_mels, n_frames))


def _excerpts(total: int, step: int) -> list[tuple[int, int]]:
    return [(first, min(first + step, total)) for first in range(0, total, step)]


@lru_cache(maxsize=16)
def _mel_transform(front_end: FrontEnd, device: torch.device) -> Any:
    """The filter bank of a recipe on a device; frames are not centred, the caller pads."""
    return MelSpectrogram(
        sample_rate=front_end.sample_rate_hz,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop_length,
        f_min=front_end.f_min_hz,
        f_max=front_end.f_max_hz,
        n_mels=front_end.n_mels,
        power=2.0,
        center=False,
        norm="slaney",
        mel_scale="slaney",
    ).to(device)


def to_image(log_spec: Tensor, front_end: FrontEnd) -> Tensor:
    """The image of each spectrogram, low frequencies at the bottom, its own minimum to maximum spread over all levels.

    Native style: grey. The values are resized (bilinear, antialiased), then spread over 0..255; a constant spectrogram
    becomes all 0. Figure style: upstream's colours.

    Args:
        log_spec: (..., bins, frames) as from `log_spectrogram`; in figure style, the frames of one window of it.
        front_end: the recipe.

    Returns:
        uint8 (..., 3, S, S) on the same device; in native style three equal channels.
    """
    size = front_end.image_size
    flat = log_spec.reshape(-1, *log_spec.shape[-2:])
    if front_end.style == "figure":
        drawn = np.stack([_figure(values, size) for values in flat.detach().cpu().numpy()])
        images = torch.from_numpy(drawn).movedim(-1, 1).contiguous().to(log_spec.device)
    else:
        images = _grey(flat, size)[:, None].expand(-1, 3, -1, -1)
    return images.reshape(*log_spec.shape[:-2], 3, size, size)


def _grey(log_spec: Tensor, size: int) -> Tensor:
    """uint8 (n, size, size) of log values (n, bins, frames)."""
    upright = log_spec.flip(-2)[:, None]
    resized = functional.interpolate(upright, size=(size, size), mode="bilinear", antialias=True)[:, 0]
    above = resized - resized.amin((-2, -1), keepdim=True)
    span = above.amax((-2, -1), keepdim=True)
    scale = torch.where(span > _FLAT_SPAN, 255.0 / span, 0.0)
    return (above * scale).round().to(torch.uint8)


def _figure(values: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """RGB (size, size, 3) of one window, as `specshow` and `savefig` would have drawn it and PIL have read it."""
    n_bins, n_frames = values.shape
    # A pixel shows the cell its centre lies in; in whole numbers, for centres on the line between two cells.
    rows = (2 * np.arange(_FIGURE_HEIGHT)[::-1] + 1) * n_bins * 5 // _MESH_HEIGHT_TENTHS
    columns = (2 * np.arange(_FIGURE_WIDTH) + 1) * n_frames // (2 * _FIGURE_WIDTH)
    drawn = Image.fromarray(_magma()[_levels(values)[rows[:, None], columns]])
    with io.BytesIO() as file:
        drawn.save(file, format="JPEG")
        with Image.open(file) as reopened:
            return np.asarray(reopened.resize((size, size), Image.Resampling.BILINEAR))


def _levels(values: NDArray[np.float32]) -> NDArray[np.intp]:
    """Index into a colormap of 256: from the minimum to the maximum, in equal steps."""
    above = values - values.min()
    span = above.max()
    return np.minimum(above / span * 256, 255).astype(np.intp) if span > 0 else np.zeros(values.shape, np.intp)


@lru_cache(maxsize=1)
def _magma() -> NDArray[np.uint8]:
    """RGB (256, 3) of the colormap that `specshow` chooses for values of one sign."""
    return np.round(matplotlib.colormaps["magma"](np.arange(256))[:, :3] * 255).astype(np.uint8)


def normalise(images: Tensor, front_end: FrontEnd) -> Tensor:
    """What the network is fed: float32 (n, 3, S, S), (value / 255 - mean) / std per channel.

    Args:
        images: uint8 (n, 3, S, S).
        front_end: the recipe, for its mean and std.
    """
    mean = torch.tensor(front_end.mean, device=images.device).view(3, 1, 1)
    std = torch.tensor(front_end.std, device=images.device).view(3, 1, 1)
    return (images.float() / 255.0 - mean) / std


def frame_s(front_end: FrontEnd) -> float:
    """Seconds from one spectrogram frame to the next."""
    return front_end.hop_length / front_end.sample_rate_hz


def frequencies_hz(front_end: FrontEnd) -> NDArray[np.float64]:
    """Centre frequency (bins,) of each row of a spectrogram, lowest first.

    A row of a chroma stands for all octaves; its frequency is given in the fourth (C4 to B4).
    """
    if front_end.kind == "mel":
        n_edges = front_end.n_mels + 2
        return np.asarray(librosa.mel_frequencies(n_edges, fmin=front_end.f_min_hz, fmax=front_end.f_max_hz)[1:-1])
    n_bins, lowest = front_end.n_bins, front_end.f_min_hz
    if front_end.kind == "chroma":
        n_bins, lowest = front_end.bins_per_octave, float(librosa.note_to_hz("C4"))
    return np.asarray(librosa.cqt_frequencies(n_bins, fmin=lowest, bins_per_octave=front_end.bins_per_octave))
