"""Real music on which a faster network is calibrated and compared with the trained one.

Never the same music for both: recordings, in the order of their names, go by turns to one and to the other. A network
that is calibrated on a recording would do better on it than on what users bring.

The clips in `examples/` are on every machine, and are few: six recordings. Each is used at several speeds (which moves
its pitch, too), from several starts and at two levels, so that the windows differ as images. That suffices to find a
quantisation that went wrong; how often a good one changes an answer is measured on a folder of the user's own music.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from acousticsense.audio.clip import read_clip
from acousticsense.audio.names import is_audio_name
from acousticsense.errors import AudioError, RequestError
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.windows import clip_images

#: `examples/` beside the package: in a checkout and in the image alike.
EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"

#: Playing speeds: up to three semitones down and up, about a semitone apart from the next.
_SPEEDS: Final = (0.84, 0.89, 0.95, 1.0, 1.06, 1.12, 1.19)
#: Factors on the samples; the logarithm's offset makes quiet music look different.
_GAINS: Final = (1.0, 0.1)
_STARTS: Final = 10


@dataclass(frozen=True, kw_only=True)
class EquivalenceData:
    """Windows of music as the model sees them, see `SpectrogramImages.inputs`.

    Attributes:
        calibration: what ranges are measured on.
        comparison: what answers are compared on; of other recordings.
        source: where they come from, in words.
    """

    calibration: Tensor
    comparison: Tensor
    source: str


def example_data(
    spec: ModelSpec, *, n_comparison: int, n_calibration: int = 48, folder: Path = EXAMPLES
) -> EquivalenceData:
    """Versions of the example clips, as a model sees them.

    Raises:
        RequestError: there are fewer than two clips.
    """
    files = _music_files(folder)
    return EquivalenceData(
        calibration=_spread(_versions, files[::2], spec, n_calibration),
        comparison=_spread(_versions, files[1::2], spec, n_comparison),
        source=f"versions of the {len(files)} clips in {folder.name}/",
    )


def folder_data(spec: ModelSpec, folder: Path, *, n_comparison: int, n_calibration: int = 48) -> EquivalenceData:
    """Windows of the music in a folder and those below it, as a model sees them; no two of them overlap.

    There may be fewer than asked for. Files that cannot be read are passed over.

    Raises:
        RequestError: there are fewer than two recordings in it.
    """
    files = _music_files(folder)
    return EquivalenceData(
        calibration=_spread(_windows, files[::2], spec, n_calibration),
        comparison=_spread(_windows, files[1::2], spec, n_comparison),
        source=f"windows of {len(files)} recordings in {folder}",
    )


def _music_files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if is_audio_name(path.relative_to(folder)))
    if len(files) < 2:
        raise RequestError(
            f"{folder} holds {len(files)} recordings; it takes two or more to calibrate on one and compare on another.",
            hint="Name a folder with music of several kinds.",
        )
    return files


def _spread(
    cut: Callable[[Path, ModelSpec], Iterator[Tensor]], files: Sequence[Path], spec: ModelSpec, count: int
) -> Tensor:
    """Up to `count` images, one of each kind that the model knows from each file by turns.

    Raises:
        RequestError: there is none.
    """
    sources = [cut(file, spec.for_spectrogram(kind)) for file in files for kind in spec.kinds]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*sources))
    images = list(itertools.islice((image for image in turns if image is not None), count))
    if not images:
        raise RequestError("None of the recordings can be read.", hint="Name a folder with music.")
    return torch.stack(images)


def _versions(file: Path, spec: ModelSpec) -> Iterator[Tensor]:
    """A clip from several starts, at several speeds and levels; neighbours in the order differ in all three."""
    rate_hz = spec.front_end.sample_rate_hz
    played = read_clip(file, sample_rate_hz=rate_hz, duration_s=None).waveform
    for number in range(len(_SPEEDS) * _STARTS):
        changed = soxr.resample(played, rate_hz, rate_hz / _SPEEDS[number % len(_SPEEDS)], quality="HQ")
        turned = np.roll(changed, -number * len(changed) // _STARTS)
        yield _image(turned * np.float32(_GAINS[number % len(_GAINS)]), spec)


def _windows(file: Path, spec: ModelSpec) -> Iterator[Tensor]:
    """The windows of a recording, one after the other."""
    length_s = spec.windows.window_s
    for number in itertools.count():
        try:
            clip = read_clip(
                file,
                sample_rate_hz=spec.front_end.sample_rate_hz,
                duration_s=length_s,
                offset_s=number * length_s,
            )
        except AudioError:
            return
        if number and clip.info.duration_s < length_s / 2:
            return
        yield _image(clip.waveform, spec)


def _image(waveform: NDArray[np.float32], spec: ModelSpec) -> Tensor:
    """The image of the first window, the waveform repeated to fill it."""
    wanted = round(spec.windows.window_s * spec.front_end.sample_rate_hz)
    return clip_images(np.resize(waveform, wanted), spec.front_end, spec.windows).inputs[0]
