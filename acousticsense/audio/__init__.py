"""From a source to a clip: open, decode, mix, resample; its health and its loudness."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from acousticsense.audio.clip import AudioClip, read_clip
    from acousticsense.audio.decode import read_artist
    from acousticsense.audio.health import SILENCE_DB, check, loudest_db
    from acousticsense.audio.limits import AudioLimits
    from acousticsense.audio.loudness import centroid_hz, integrated_lufs
    from acousticsense.audio.source import Source
    from acousticsense.audio.stream import AudioStream, open_stream
    from acousticsense.audio.types import ClipInfo, HealthNote, HealthReport

__all__ = [
    "SILENCE_DB",
    "AudioClip",
    "AudioLimits",
    "AudioStream",
    "ClipInfo",
    "HealthNote",
    "HealthReport",
    "Source",
    "centroid_hz",
    "check",
    "integrated_lufs",
    "loudest_db",
    "open_stream",
    "read_artist",
    "read_clip",
]

_MODULES: Final = {
    "clip": ("AudioClip", "read_clip"),
    "decode": ("read_artist",),
    "health": ("SILENCE_DB", "check", "loudest_db"),
    "limits": ("AudioLimits",),
    "loudness": ("centroid_hz", "integrated_lufs"),
    "source": ("Source",),
    "stream": ("AudioStream", "open_stream"),
    "types": ("ClipInfo", "HealthNote", "HealthReport"),
}


def __getattr__(name: str) -> Any:
    """Names are imported when they are asked for: a row of a library needs the types, and no decoder."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
