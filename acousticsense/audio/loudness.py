"""How a recording sounds, in two numbers that can be compared: how loud and how bright."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.filter import Graph

from acousticsense.audio.track import Samples

#: The meter's channel layouts; other counts are mixed to mono first.
_LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1"}
#: The rate for which the standard gives its filters.
_METER_RATE_HZ: Final = 48_000
#: What the meter answers when every block lies below its absolute gate.
_GATE_LUFS: Final = -70.0
_FFT_LENGTH: Final = 2048
#: FFT frames worked on at a time: what bounds the memory a long recording takes.
_FRAMES_AT_ONCE: Final = 1024


def integrated_lufs(channels: Samples, sample_rate_hz: int) -> float | None:
    """Integrated loudness by ITU-R BS.1770-4, measured by FFmpeg's `ebur128`, to 0.001 LU.

    One channel counts as two equal ones, as it is heard over a pair of speakers; so does a mix of unusual channels.

    Args:
        channels: float32 (n_channels, n), full scale at 1.

    Returns:
        LUFS; None when it is silent throughout (below -70 LUFS) or shorter than one block of 400 ms.
    """
    if len(channels) not in _LAYOUTS:
        channels = channels.mean(axis=0, dtype=np.float32, keepdims=True)
    layout = _LAYOUTS[len(channels)]
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=sample_rate_hz, format="fltp", layout=layout, time_base=Fraction(1, sample_rate_hz)
    )
    meter = graph.add("ebur128", "metadata=1:dualmono=true")
    sink = graph.add("abuffersink")
    resampler = graph.add("aresample", str(_METER_RATE_HZ))
    source.link_to(resampler)
    resampler.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    measured: float | None = None
    for start in range(0, channels.shape[1], sample_rate_hz):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels[:, start : start + sample_rate_hz]), format="fltp", layout=layout
        )
        frame.sample_rate, frame.pts = sample_rate_hz, start
        graph.push(frame)
        measured = _latest(graph, measured)
    graph.push(None)
    measured = _latest(graph, measured)
    return None if measured is None or measured <= _GATE_LUFS else measured


def _latest(graph: Graph, before: float | None) -> float | None:
    """The newest reading that waits at the end of the graph."""
    while True:
        try:
            frame: Any = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return before
        before = float(frame.metadata.get("lavfi.r128.I", "nan" if before is None else before))
        before = None if np.isnan(before) else before


def centroid_hz(waveform: Samples, sample_rate_hz: int) -> float | None:
    """Spectral centroid of a whole recording, the usual measure of brightness (Grey & Gordon 1978).

    The mean frequency, weighted by the magnitude spectrum summed over Hann windows of 2048 samples; loudness does not
    matter to it, nor do pauses.

    Args:
        waveform: float32 (n,).
        sample_rate_hz: of the samples; half of it is the highest frequency that counts.

    Returns:
        Hz; None for digital silence.
    """
    padded = np.pad(waveform, (0, max(0, _FFT_LENGTH - len(waveform))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_LENGTH)[:: _FFT_LENGTH // 2]
    window = np.hanning(_FFT_LENGTH).astype(np.float32)
    magnitude = np.zeros(_FFT_LENGTH // 2 + 1)
    for start in range(0, len(frames), _FRAMES_AT_ONCE):
        magnitude += np.abs(np.fft.rfft(frames[start : start + _FRAMES_AT_ONCE] * window, axis=1)).sum(axis=0)
    total = float(magnitude.sum())
    frequency_hz = np.fft.rfftfreq(_FFT_LENGTH, 1 / sample_rate_hz)
    return float(frequency_hz @ magnitude) / total if total > 0 else None
