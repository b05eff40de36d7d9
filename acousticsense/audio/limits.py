"""Bounds on what one request may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from acousticsense.errors import AudioDecodeError

FORMATS_HINT: Final = "Use an mp3, wav, flac, ogg, opus, m4a or aac file that plays in an ordinary player."


#: 22.2 surround has 24 channels.
MOST_CHANNELS: Final = 32


@dataclass(frozen=True, kw_only=True)
class AudioLimits:
    """Bounds on what one request may cost.

    Attributes:
        max_file_bytes: size of the file as it arrives.
        max_clip_s: seconds decoded for one clip.
        max_stream_s: seconds handed out by one stream.
        max_pcm_bytes: decoded float32 samples of the excerpt, at the file's rate and with all its channels.
        min_sample_rate_hz: below this no music is left.
        max_sample_rate_hz: highest rate of real equipment (DSD and DXD files reach 352.8 and 705.6 kHz).
        max_channels: most channels.
    """

    max_file_bytes: int = 200 * 2**20
    max_clip_s: float = 1800.0
    max_stream_s: float = 14_400.0
    max_pcm_bytes: int = 512 * 2**20
    min_sample_rate_hz: int = 2_000
    max_sample_rate_hz: int = 768_000
    max_channels: int = MOST_CHANNELS


def rate_fault(rate_hz: int, limits: AudioLimits) -> str:
    """What is wrong with a sample rate, in words; empty when it is within the limits."""
    low, high = limits.min_sample_rate_hz, limits.max_sample_rate_hz
    if low <= rate_hz <= high:
        return ""
    return f"The header gives a sample rate of {rate_hz} Hz; {low} to {high} Hz can be read."


def channels_fault(n_channels: int, limits: AudioLimits) -> str:
    """What is wrong with a number of channels, in words; empty when it is within the limits."""
    if 1 <= n_channels <= limits.max_channels:
        return ""
    return f"The header gives {n_channels} channels; 1 to {limits.max_channels} can be read."


def check_format(sample_rate_hz: int, n_channels: int, limits: AudioLimits) -> None:
    """Raises AudioDecodeError for a rate or a count of channels outside the limits."""
    fault = rate_fault(sample_rate_hz, limits) or channels_fault(n_channels, limits)
    if fault:
        raise AudioDecodeError(fault, hint=FORMATS_HINT)
