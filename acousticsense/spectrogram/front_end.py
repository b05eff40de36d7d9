"""The recipe from a waveform to what a network is fed, and how a clip is cut into windows, as validated data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from torch import Tensor


SpectrogramKind = Literal["mel", "cqt", "chroma"]

Style = Literal["native", "figure", "kaldi", "slaney"]

#: How every description is validated: no conversion of types, no unknown field, no infinite number; fields that had
#: other names in older files are read by those, too.
STRICT: Final = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

_Count = Annotated[int, Field(gt=0)]
_Positive = Annotated[float, Field(gt=0)]
_NotNegative = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FrontEnd:
    """The recipe from a mono waveform to what a network is fed.

    `style` "native" draws log-power (mel) or log-magnitude (cqt) as grey levels. "figure" reproduces the images of
    ccmusic-database/music_genre: decibels below the maximum, drawn by librosa's specshow with its colormap. "kaldi"
    feeds the log-power of Kaldi's mel bands as it is, one channel of n_mels x frames, lowest band first, as EfficientAT
    (Schmid et al., arXiv 2211.04772) does, and "slaney" that of Slaney's, as musicnn (Pons and Serra, arXiv 1909.06654)
    does; the image is for people to look at.

    Attributes:
        kind: which spectrogram.
        style: how its values become what the network is fed.
        sample_rate_hz: rate to which audio is resampled.
        n_fft: FFT length in samples (mel, chroma).
        win_length: samples under the window of an FFT (mel); None is n_fft.
        hop_length: samples between frames.
        n_mels: mel bands; Slaney's scale and norm, in Kaldi style Kaldi's.
        f_min_hz: lowest frequency: lower edge of the mel bands, or centre of the lowest cqt bin (32.703 Hz is C1).
        f_max_hz: upper edge of the mel bands.
        n_bins: cqt bins.
        bins_per_octave: cqt bins per octave.
        pre_emphasis: share of each sample that is subtracted from the next before the spectrum (mel), 0 to below 1.
        log_offset: added before the logarithm (all but figure style).
        level_dbfs: RMS level in dB below full scale to which the waveform of each window is brought first, so that
            the same music played softer gives the same image; None leaves it as loud as it is.
        top_db: range kept below the maximum in dB; None keeps all.
        image_size: side of the square image in pixels.
        mean: subtracted per channel: from values in 0..1 of an image, or from the logarithm where that is fed.
        std: divisor per channel.
    """

    kind: SpectrogramKind = "mel"
    style: Style = "native"
    sample_rate_hz: _Count = 22_050
    n_fft: _Count = 2048
    win_length: _Count | None = None
    hop_length: _Count = 512
    n_mels: _Count = 128
    f_min_hz: _NotNegative = 0.0
    f_max_hz: _Positive = 11_025.0
    n_bins: _Count = 84
    bins_per_octave: _Count = 12
    pre_emphasis: Annotated[float, Field(ge=0, lt=1)] = 0.0
    log_offset: _Positive = 1e-6
    level_dbfs: Annotated[float, Field(le=0)] | None = None
    top_db: _Positive | None = None
    image_size: _Count = 224
    mean: Annotated[tuple[float, ...], Field(min_length=1, max_length=3)] = (0.5, 0.5, 0.5)
    std: Annotated[tuple[_Positive, ...], Field(min_length=1, max_length=3)] = (0.5, 0.5, 0.5)

    @model_validator(mode="after")
    def _check(self) -> FrontEnd:
        n_channels = 3 if self.reads_images else 1
        if not len(self.mean) == len(self.std) == n_channels:
            raise ValueError(f"mean and std need {n_channels} values each in {self.style} style")
        if not self.reads_images and self.kind != "mel":
            raise ValueError(f"{self.style} style has mel bands only, not {self.kind}")
        if self.win_length and self.win_length > self.n_fft:
            raise ValueError(f"win_length is {self.win_length}, at most n_fft = {self.n_fft} is possible")
        return self

    @property
    def reads_images(self) -> bool:
        """Whether the network is fed square images of three channels; otherwise the spectrogram itself."""
        return self.style in ("native", "figure")

    def input_shape(self, windows: WindowPolicy) -> tuple[int, int, int]:
        """Channels, rows and columns of what the network is fed for each window."""
        if self.reads_images:
            return 3, self.image_size, self.image_size
        n_samples = round(windows.window_s * self.sample_rate_hz) - bool(self.pre_emphasis)
        return 1, self.n_mels, 1 + n_samples // self.hop_length

    def to_input(self, values: Tensor) -> Tensor:
        """What the network is fed: (value - mean) / std per channel, of pixels in 0..1 or of the logarithm as it is.

        Args:
            values: `SpectrogramImages.inputs` (n, channels, rows, columns).

        Returns:
            float32 of the same shape, on the same device.
        """
        levels = values.float() / 255.0 if self.reads_images else values.float()
        mean, std = (levels.new_tensor(value).view(-1, 1, 1) for value in (self.mean, self.std))
        return (levels - mean) / std


#: C1 in Hz, twelve-tone equal temperament with A4 = 440 Hz.
C1_HZ: Final = 32.70319566257483


NATIVE_MEL: Final = FrontEnd()


NATIVE_CQT: Final = FrontEnd(kind="cqt", f_min_hz=C1_HZ)


#: What EfficientAT's AudioSet taggers were trained on (arXiv 2211.04772), at one level.
EFFICIENTAT_MEL: Final = FrontEnd(
    style="kaldi",
    sample_rate_hz=32_000,
    n_fft=1024,
    win_length=800,
    hop_length=320,
    n_mels=128,
    f_max_hz=15_000.0,
    pre_emphasis=0.97,
    log_offset=1e-5,
    level_dbfs=-20.0,
    mean=(-4.5,),
    std=(5.0,),
)

#: What musicnn was trained on (its package's configuration), at one level: log10(1 + 10000 power).
MUSICNN_MEL: Final = FrontEnd(
    style="slaney",
    sample_rate_hz=16_000,
    n_fft=512,
    hop_length=256,
    n_mels=96,
    f_max_hz=8_000.0,
    log_offset=1e-4,
    level_dbfs=-20.0,
    mean=(-9.2103404,),
    std=(2.3025851,),
)


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
