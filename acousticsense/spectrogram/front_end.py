"""The recipe from a waveform to what a network is fed, and how a clip is cut into windows, as validated data."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = [
    "NATIVE_CQT",
    "NATIVE_MEL",
    "NATIVE_WINDOWS",
    "STRICT",
    "UPSTREAM_WINDOWS",
    "FrontEnd",
    "SpectrogramKind",
    "Style",
    "WindowPolicy",
    "upstream_front_end",
]

SpectrogramKind = Literal["mel", "cqt", "chroma"]

Style = Literal["native", "figure"]

#: How every description is validated: no conversion of types, no unknown field, no infinite number; fields that had
#: other names in older files are read by those, too.
STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

_Count = Annotated[int, Field(gt=0)]
_Positive = Annotated[float, Field(gt=0)]
_NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FrontEnd:
    """The recipe from a mono waveform to the image a network sees.

    `style` "native" draws log-power (mel) or log-magnitude (cqt) as grey levels. "figure" reproduces the images of
    ccmusic-database/music_genre: decibels below the maximum, drawn by librosa's specshow with its colormap.

    Attributes:
        kind: which spectrogram.
        style: how its values become an image.
        sample_rate_hz: rate to which audio is resampled.
        n_fft: FFT length in samples (mel, chroma).
        hop_length: samples between frames.
        n_mels: mel bands, Slaney scale and norm.
        f_min_hz: lowest frequency: lower edge of the mel bands, or centre of the lowest cqt bin (32.703 Hz is C1).
        f_max_hz: upper edge of the mel bands.
        n_bins: cqt bins.
        bins_per_octave: cqt bins per octave.
        log_offset: added before the logarithm (native style).
        level_dbfs: RMS level in dB below full scale to which the waveform of each window is brought first, so that
            the same music played softer gives the same image; None leaves it as loud as it is.
        top_db: range kept below the maximum in dB; None keeps all.
        image_size: side of the square image in pixels.
        mean: subtracted per channel from values in 0..1.
        std: divisor per channel.
    """

    kind: SpectrogramKind = "mel"
    style: Style = "native"
    sample_rate_hz: _Count = 22_050
    n_fft: _Count = 2048
    hop_length: _Count = 512
    n_mels: _Count = 128
    f_min_hz: _NotNegative = 0.0
    f_max_hz: _Positive = 11_025.0
    n_bins: _Count = 84
    bins_per_octave: _Count = 12
    log_offset: _Positive = 1e-6
    level_dbfs: Annotated[float, Field(le=0)] | None = None
    top_db: _Positive | None = None
    image_size: _Count = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[_Positive, _Positive, _Positive] = (0.5, 0.5, 0.5)


#: C1 in Hz, twelve-tone equal temperament with A4 = 440 Hz.
C1_HZ: Final = 32.70319566257483


NATIVE_MEL: Final = FrontEnd()


NATIVE_CQT: Final = FrontEnd(kind="cqt", f_min_hz=C1_HZ)


def upstream_front_end(kind: SpectrogramKind, *, image_size: int = 224) -> FrontEnd:
    """The recipe behind the checkpoints of ccmusic-database/music_genre (librosa defaults)."""
    f_min_hz = C1_HZ if kind == "cqt" else 0.0
    return FrontEnd(kind=kind, style="figure", f_min_hz=f_min_hz, top_db=80.0, image_size=image_size)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WindowPolicy:
    """How a clip is cut into the windows that a network is asked about.

    Attributes:
        window_s: seconds of audio in one window.
        anchor: where whole windows lie in a clip that is not a multiple of a window.
        vote: probabilities are averaged over windows; "majority" also counts each window's best label.
        default_duration_s: seconds that are analysed when the user does not say; None is the whole track.
    """

    window_s: _Positive = 10.0
    anchor: Literal["start", "center"] = "start"
    vote: Literal["mean", "majority"] = "mean"
    default_duration_s: _Positive | None = 10.0


NATIVE_WINDOWS: Final = WindowPolicy()


UPSTREAM_WINDOWS: Final = WindowPolicy(window_s=11.4, anchor="center", vote="majority", default_duration_s=None)
