"""What happens to a clip before a network is asked: decode, check its health, draw its images. CPU work, no weights."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

import torch

from acousticsense.audio.source import Source
from acousticsense.inference.decoding import DecodedClip, Decoder, Recipe, decode
from acousticsense.spectrogram.windows import SpectrogramImages, clip_images

#: While it is drawn, a longer excerpt takes several times its own memory.
_LONG_S: Final = 60.0
_one_at_a_time = threading.Lock()


@contextmanager
def _long_clip() -> Iterator[None]:
    """Its turn; afterwards glibc, which keeps what was freed, gives the memory back."""
    with _one_at_a_time:
        yield
        if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)


@dataclass(frozen=True, kw_only=True)
class PreparedClip(DecodedClip):
    """A clip that is ready for the network.

    Attributes:
        images: what the network will see.
        spectrogram_ms: milliseconds that the images took.
    """

    images: SpectrogramImages
    spectrogram_ms: float


def prepare(
    source: Source, recipe: Recipe, *, device: str | torch.device = "cpu", decoder: Decoder = decode
) -> PreparedClip:
    """Decodes an excerpt, checks its health and draws its images.

    Args:
        source: path, bytes or binary file object of any audio format.
        device: where the images are drawn and left.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: the excerpt that the recipe asks for is out of range.
    """
    return draw(decoder(source, recipe), recipe, device=device)


def draw(clip: DecodedClip, recipe: Recipe, *, device: str | torch.device = "cpu") -> PreparedClip:
    """Draws the images of a decoded excerpt; raises like `clip_images`. Long ones are drawn one at a time."""
    is_long = clip.audio.info.duration_s > _LONG_S
    with _long_clip() if is_long else nullcontext():
        started = time.perf_counter()
        images = clip_images(clip.audio.waveform, recipe.front_end, recipe.windows, device=device)
        spectrogram_ms = 1000 * (time.perf_counter() - started)
    return PreparedClip(
        audio=clip.audio,
        health=clip.health,
        images=images,
        decode_ms=clip.decode_ms,
        spectrogram_ms=spectrogram_ms,
    )
