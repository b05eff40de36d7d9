"""What the network saw, step by step, with the numbers of this very clip."""

from __future__ import annotations

from typing import Final

import numpy as np

from acousticsense.audio.types import ClipInfo
from acousticsense.i18n.page import ui_text
from acousticsense.inference.answer import Analysis
from acousticsense.models.genres import display_name
from acousticsense.models.spec import ModelSpec
from acousticsense.web.html import clock, number, percent, render, run_on
from acousticsense.web.plot_view import input_image

#: Images shown at most; a whole track has hundreds.
_MAX_IMAGES: Final = 12
#: Points of the drawn waveform.
_WAVE_COLUMNS: Final = 240


def steps_html(analysis: Analysis, spec: ModelSpec, name: str, language: str) -> str:
    """A closed panel with one entry per step from file to probabilities."""
    front_end = analysis.images.front_end
    native = front_end.style != "figure" and front_end.kind in ("mel", "cqt")
    steps = [
        ("step.decode", _decode_body(analysis.prediction.clip, language)),
        ("step.resample", _resample_body(analysis, spec, language)),
        (f"step.{front_end.kind}" if native else "step.figure", _spectrogram_body(analysis, language)),
        ("step.image", _image_body(analysis, spec, language)),
        ("step.normalise", _normalise_body(analysis, language)),
        ("step.network", _network_body(spec, language)),
    ]
    windows = [_window(analysis, spec, index, name, language) for index in _shown_windows(analysis)]
    return render(
        "steps.html",
        language,
        steps=steps,
        windows=windows,
        peaks=_peaks(analysis),
        reads_images=front_end.reads_images,
    )


def _decode_body(clip: ClipInfo, language: str) -> str:
    channels = (
        ui_text("step.channels_1", language)
        if clip.channels == 1
        else ui_text("step.channels_n", language, n=clip.channels)
    )
    return ui_text(
        "step.decode.body",
        language,
        duration=number(clip.duration_s),
        offset=number(clip.offset_s),
        rate=number(clip.sample_rate_hz),
        channels=channels,
    )


def _resample_body(analysis: Analysis, spec: ModelSpec, language: str) -> str:
    audio, window_s = analysis.audio, spec.windows.window_s
    body = ui_text(
        "step.resample.body", language, rate=number(audio.sample_rate_hz), samples=number(audio.waveform.size)
    )
    if audio.waveform.size < window_s * audio.sample_rate_hz:
        body = run_on(language, body, ui_text("step.looped", language, window=number(window_s)))
    if (level_dbfs := analysis.images.front_end.level_dbfs) is not None:
        body = run_on(language, body, ui_text("step.level", language, level=number(level_dbfs)))
    return body


def _spectrogram_body(analysis: Analysis, language: str) -> str:
    front_end, values = analysis.images.front_end, analysis.images.spectrogram
    native = front_end.style != "figure" and front_end.kind in ("mel", "cqt")
    return ui_text(
        f"step.{front_end.kind}.body" if native else "step.figure.body",
        language,
        n_fft=number(front_end.n_fft),
        hop=number(front_end.hop_length),
        bins=number(values.shape[0]),
        frames=number(values.shape[1]),
        bins_per_octave=front_end.bins_per_octave,
        f_min=number(front_end.f_min_hz),
        f_max=number(front_end.f_max_hz),
        log_offset=f"{front_end.log_offset:g}",
        low=number(float(values.min())),
        high=number(float(values.max())),
    )


def _image_body(analysis: Analysis, spec: ModelSpec, language: str) -> str:
    front_end, total = analysis.images.front_end, len(analysis.images.start_s)
    key = {"native": "step.image.body", "figure": "step.image_figure.body"}.get(
        front_end.style, "step.image_values.body"
    )
    window, size = number(spec.windows.window_s), front_end.image_size
    body = ui_text(key, language, window=window, size=size)
    if not front_end.reads_images:
        return body
    amount = "one" if total == 1 else "many" if total <= _MAX_IMAGES else "some"
    shown = ui_text(f"step.image.{amount}", language, n=total, shown=min(total, _MAX_IMAGES))
    return run_on(language, body, shown)


def _normalise_body(analysis: Analysis, language: str) -> str:
    inputs, front_end = analysis.images.inputs, analysis.images.front_end
    fed = front_end.to_input(inputs[:_MAX_IMAGES])
    return ui_text(
        "step.normalise.body" if front_end.reads_images else "step.normalise_values.body",
        language,
        mean=", ".join(f"{value:g}" if value >= 0 else f"({number(value)})" for value in dict.fromkeys(front_end.mean)),
        std=", ".join(f"{value:g}" for value in dict.fromkeys(front_end.std)),
        shape=" × ".join(map(str, inputs.shape)),
        low=number(float(fed.min())),
        high=number(float(fed.max())),
    )


def _network_body(spec: ModelSpec, language: str) -> str:
    body = ui_text(
        "step.network.body",
        language,
        architecture=spec.architecture,
        outputs=spec.n_outputs,
        temperature=number(spec.calibration.temperature),
    )
    return run_on(language, body, ui_text(f"step.network.{spec.windows.vote}", language))


def _shown_windows(analysis: Analysis) -> list[int]:
    """Evenly chosen when there are many."""
    total = len(analysis.images.start_s)
    chosen = np.unique(np.linspace(0, total - 1, min(total, _MAX_IMAGES)).round().astype(int))
    return [int(index) for index in chosen]


def _window(analysis: Analysis, spec: ModelSpec, index: int, name: str, language: str) -> dict[str, object]:
    start_s = analysis.prediction.clip.offset_s + analysis.images.start_s[index]
    probabilities = analysis.window_probabilities[index]
    best = int(probabilities.argmax())
    return {
        "input": input_image(analysis.images, index, name),
        "span": f"{clock(start_s)}\u2013{clock(start_s + spec.windows.window_s)}",
        "guess": f"{display_name(spec.labels[best], language)} {percent(float(probabilities[best]))}",
    }


def _peaks(analysis: Analysis) -> list[float]:
    """The waveform's outline in 0..1, the loudest value at 1."""
    waveform = analysis.audio.waveform
    edges = np.linspace(0, waveform.size, min(_WAVE_COLUMNS, waveform.size) + 1).astype(int)
    peaks = np.maximum.reduceat(np.abs(waveform), edges[:-1])
    return [float(peak) for peak in peaks / max(float(peaks.max()), 1e-9)]
