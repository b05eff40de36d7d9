"""From a file to sound that can be drawn: decode, check its health. Without PyTorch, so that processes start fast.

A `Recipe` is small, frozen and picklable, so that any process can decode clips for a model that lives elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from acousticsense.audio.clip import AudioClip, read_clip
from acousticsense.audio.health import check
from acousticsense.audio.limits import AudioLimits
from acousticsense.audio.source import Source
from acousticsense.audio.stream import open_stream
from acousticsense.audio.track import Samples
from acousticsense.audio.types import ClipInfo, HealthNote, HealthReport
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import FrontEnd, WindowPolicy


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a file becomes images.

    Attributes:
        windows: how the excerpt is cut.
        duration_s: seconds to decode; None is the whole track.
        offset_s: where the excerpt begins.
        anchor: "center" takes the excerpt from the middle of the track.
    """

    front_end: FrontEnd
    windows: WindowPolicy
    limits: AudioLimits
    duration_s: float | None
    offset_s: float = 0.0
    anchor: Literal["start", "center"] = "start"


@dataclass(frozen=True, kw_only=True)
class DecodedClip:
    """An excerpt of sound, ready to be drawn by any recipe of the same sample rate.

    Attributes:
        decode_ms: milliseconds that decoding and the health check took.
    """

    audio: AudioClip
    health: HealthReport
    decode_ms: float


class SoundStream(Protocol):
    """Sound block by block, as `AudioStream` gives it. `info` and `notes` are complete when all blocks were read."""

    expected_s: float | None

    def blocks(self) -> Iterator[Samples]:
        """Mono blocks (n,), one after the other, once."""

    @property
    def info(self) -> ClipInfo:
        """Where the excerpt lies and what the file is."""

    @property
    def notes(self) -> tuple[HealthNote, ...]:
        """What was skipped, assumed or cut."""


#: What stands in for `decode` and for `open_excerpt`, in another process for instance.
Decoder = Callable[[Source, Recipe], DecodedClip]
StreamOpener = Callable[[Source, Recipe], AbstractContextManager[SoundStream]]


def open_excerpt(source: Source, recipe: Recipe) -> AbstractContextManager[SoundStream]:
    """The excerpt of a recipe, to be read block by block; raises like `open_stream`."""
    return open_stream(
        source,
        sample_rate_hz=recipe.front_end.sample_rate_hz,
        duration_s=recipe.duration_s,
        offset_s=recipe.offset_s,
        limits=recipe.limits,
    )


def decode(source: Source, recipe: Recipe) -> DecodedClip:
    """Decodes an excerpt and checks its health.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
        RequestError: the excerpt that the recipe asks for is out of range.
    """
    started = time.perf_counter()
    audio = read_clip(
        source,
        duration_s=recipe.duration_s,
        offset_s=recipe.offset_s,
        anchor=recipe.anchor,
        sample_rate_hz=recipe.front_end.sample_rate_hz,
        limits=recipe.limits,
    )
    health = check(audio)
    return DecodedClip(audio=audio, health=health, decode_ms=1000 * (time.perf_counter() - started))


def limits_of(settings: Settings) -> AudioLimits:
    """The decoding limits that the settings ask for."""
    return AudioLimits(
        max_file_bytes=settings.max_upload_mb * 2**20,
        max_clip_s=settings.max_clip_s,
        max_stream_s=settings.max_timeline_s,
        max_pcm_bytes=settings.max_pcm_mb * 2**20,
    )
