"""What the routes answer: FastAPI checks each answer against its model, and `/docs` shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    """Nothing is answered that is not described here."""

    model_config = ConfigDict(extra="forbid")


class _Score(_Answer):
    label: str = Field(examples=["Jazz"])
    confidence: float = Field(ge=0, le=1, examples=[0.91])


class _Health(_Answer):
    code: str = Field(examples=["clipping"])
    severity: Literal["info", "warning", "error"]
    value: float
    message: str


class _Clip(_Answer):
    offset_s: float
    duration_s: float
    track_duration_s: float | None
    sample_rate_hz: int
    channels: int


class _Model(_Answer):
    name: str
    architecture: str
    weights_sha256: str
    backend: str = Field(examples=["openvino-int8"], description="what computed the answer")
    spectrogram: str = Field(examples=["mel"])


class _Timing(_Answer):
    decode: float
    spectrogram: float
    network: float
    total: float


class _WindowVote(_Answer):
    label: str = Field(description="what most windows put first", examples=["Soft_rock"])
    windows: int = Field(description="how many windows put it first")
    of: int = Field(description="how many windows there are")


class _ClipAnswer(_Answer):
    prediction: list[_Score] = Field(description="best first, top_k of them")
    probabilities: dict[str, float] = Field(description="every label of the model; they sum to 1")
    not_music: float | None = Field(description="probability that this is not music; null when the model cannot tell")
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music"]
    vote: _WindowVote | None = Field(default=None, description="only for models that were published with a vote")
    advice: list[str]
    health: list[_Health]
    clip: _Clip
    model: _Model
    timing_ms: _Timing


class PredictResponse(_ClipAnswer):
    """The answer for one clip."""

    mel_spectrogram_url: str
    data: list[Any] | None = Field(
        default=None, description="only for JSON bodies: the outputs as Gradio 3 clients read them"
    )


class _Window(_Answer):
    start_s: float
    end_s: float
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music", "silence"]
    probabilities: dict[str, float] = Field(description="every label of the model; empty for silence")
    not_music: float | None = Field(description="null for silence, and when the model cannot tell")


class _Segment(_Answer):
    start_s: float
    end_s: float
    genre: str | None = Field(description="null for silence and for what is not music")
    confidence: float | None = Field(description="mean probability over the segment; null for silence")
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music", "silence"]


class _Files(_Answer):
    csv: str = Field(description="one row per window")
    json_: str = Field(alias="json", description="this answer")
    txt: str = Field(description="the segments as labels for Audacity")
    cue: str = Field(description="a cue sheet with a track per segment; ?song= names the file")
    xml: str = Field(description="memory cues for Rekordbox; ?song= names the file")


class TimelineFile(_Answer):
    """Genre along a track."""

    windows: list[_Window] = Field(description="in order of time, one every hop_s")
    segments: list[_Segment] = Field(description="the same in fewer words, without gaps; short flickers are smoothed")
    window_s: float
    hop_s: float
    min_segment_s: float = Field(description="segments that were shorter were given to the one beside them")
    health: list[_Health] = Field(description="what was skipped, assumed or cut while decoding")
    clip: _Clip
    model: _Model
    timing_ms: _Timing = Field(description="decode is what the network waited for")


class TimelineResponse(TimelineFile):
    """Genre along a track, and where to fetch it again."""

    files: _Files = Field(description="links that expire")


class _Pair(_Answer):
    a: float | None
    b: float | None
    difference: float | None = Field(description="b minus a; null when one of them cannot be measured")


class _Change(_Answer):
    summary: list[str] = Field(description="what moved, in words, most important first")
    moved: bool = Field(description="whether a genre moved further than encoding the same music again would move it")
    differences: dict[str, float] = Field(description="label: probability in b minus probability in a")
    noise: float = Field(description="largest change of a probability when either version is encoded once more")
    threshold: float = Field(description="smallest change of a probability that is called one")
    loudness_lufs: _Pair = Field(description="integrated loudness by ITU-R BS.1770")
    brightness_hz: _Pair = Field(description="spectral centroid, up to 11025 Hz")


class CompareResponse(_Change):
    """What moved from the first version to the second, and from the first to each further one."""

    others: dict[Literal["c", "d"], _Change] | None = Field(
        default=None, description="the same for a third and a fourth version, which take the place of b; only with them"
    )
    a: PredictResponse
    b: PredictResponse
    c: PredictResponse | None = Field(default=None, description="only with a third version")
    d: PredictResponse | None = Field(default=None, description="only with a fourth version")


class _SimilarSong(_Answer):
    path: str = Field(description="as the server's library has it")
    similarity: float = Field(ge=-1, le=1, description="cosine of the two songs' features; 1 is the same sound")
    genre: str | None = Field(description="its likeliest genre; null when it is not music")
    confidence: float | None


class SimilarResponse(_Answer):
    """The songs of the server's library that are nearest to one."""

    similar: list[_SimilarSong] = Field(description="the nearest first, top_k of them")
    songs: int = Field(description="how many songs were compared")


class _HeatPlace(_Answer):
    time_s: float = Field(description="seconds from the start of the clip")
    frequency_hz: float | None = Field(description="null where the network's map has one row, as musicnn's")


class _HeatWindow(_Answer):
    start_s: float = Field(description="seconds from the start of the clip")
    grid: list[list[float]] = Field(
        description="0..1; rows from high frequencies to low ones, columns with time; 1 speaks most for the label"
    )


class _Heatmap(_Answer):
    label: str = Field(examples=["Jazz"])
    confidence: float
    method: Literal["grad_cam", "attention"]
    window_s: float = Field(description="seconds that a window is long")
    n_windows: int = Field(description="windows in the clip; at most 12 of them are explained")
    hottest: _HeatPlace | None = Field(description="null when nothing speaks for the label")
    windows: list[_HeatWindow]


class ExplainResponse(_ClipAnswer):
    """The answer for one clip, and where the model looked for one label."""

    heatmap: _Heatmap
    heatmap_url: str = Field(description="the heat map over the spectrogram as a PNG; expires")


class _Error(_Answer):
    code: str = Field(examples=["audio_undecodable"])
    message: str
    hint: str


class _Measured(_Answer):
    accuracy: float = Field(description="share of right answers on real test music, from the model's description")
    n: int


class _MemberRow(_Answer):
    name: str
    spectrogram: str
    averaged: bool = Field(description="false for members with labels of their own and for those that failed")
    measured: _Measured | None
    architecture: str | None = None
    weights_sha256: str | None = None
    prediction: list[_Score] | None = Field(default=None, description="best first, top_k of them")
    probabilities: dict[str, float] | None = None
    not_music: float | None = None
    verdict: str | None = None
    network_ms: float | None = None
    load_ms: float | None = None
    size_mb: float | None = Field(default=None, description="memory that the weights take")
    error: _Error | None = Field(default=None, description="why this model could not answer")


class _Consensus(_Answer):
    prediction: list[_Score]
    probabilities: dict[str, float] = Field(description="mean over the members")
    calibrated: dict[str, float] | None = Field(description="null unless measured for exactly these members")
    not_music: float | None
    verdict: str
    advice: list[str]
    members: int


class _Vote(_Answer):
    label: str
    members: int


class _Who(_Answer):
    name: str
    spectrogram: str


class _Splits(_Answer):
    votes: list[_Vote] = Field(description="how many members put a label first")
    border: list[str] | None = Field(description="the two labels that the clip lies between")
    pair: list[_Who] | None = Field(description="the two members that differ most")


class _Guidance(_Answer):
    code: str = Field(examples=["fastest"])
    message: str
    name: str | None = Field(default=None, description="the model that it is about")
    spectrogram: str | None = None
    value: float | None = Field(default=None, description="milliseconds, MB or per cent, as the message says")
    n: int | None = Field(default=None, description="clips that it was measured on")


class _EnsembleTiming(_Answer):
    decode: float
    spectrogram: dict[str, float] = Field(description="by kind of image")
    network: float
    total: float


class EnsembleResponse(_Answer):
    """What several models say of one clip."""

    models: list[_MemberRow]
    consensus: _Consensus | None = Field(description="null when no model answered")
    agreement: float | None = Field(
        description="how often two members, picked at random, put the same label first: 0 to 1"
    )
    splits: _Splits | None
    sentences: list[str]
    guidance: list[_Guidance] = Field(description="which member suits what, from what was measured")
    health: list[_Health]
    clip: _Clip
    timing_ms: _EnsembleTiming


class ErrorResponse(_Answer):
    """Why there is no answer, and what to do."""

    error: _Error


class _InstalledModel(_Answer):
    name: str
    error: str | None = Field(default=None, description="why it cannot be used; the fields below are left out then")
    architecture: str | None = None
    spectrogram: str | None = Field(default=None, description="the image that it is given unless told")
    spectrograms: list[str] | None = Field(default=None, description="every image that it knows")
    labels: list[str] | None = None
    weights_sha256: str | None = None
    licence: str | None = None
    provenance: str | None = Field(default=None, description="where the weights come from, in words")
    metrics: dict[str, Any] | None = Field(default=None, description="as measured, with the default image")
    metrics_by_spectrogram: dict[str, dict[str, Any]] | None = None


class ModelsResponse(_Answer):
    """What is installed."""

    models: list[_InstalledModel]


class HealthResponse(_Answer):
    """The process is alive."""

    status: Literal["ok"]


class ReadyResponse(_Answer):
    """Requests are answered."""

    status: Literal["ready"]
    model: str = Field(description="the one that answers when a request names none")


class NotReadyResponse(_Answer):
    """Requests are not answered yet, or not now."""

    status: Literal["not ready"]
    reason: str
