"""What `/docs` says of bodies that the routes read and write themselves."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

__all__ = [
    "COMPARE_BODY",
    "COMPARE_RESPONSES",
    "ENSEMBLE_BODY",
    "ENSEMBLE_RESPONSES",
    "EXPLAIN_BODY",
    "EXPLAIN_RESPONSES",
    "PREDICT_BODY",
    "RESPONSES",
    "TIMELINE_BODY",
    "TIMELINE_RESPONSES",
]


class _Score(BaseModel):
    label: str = Field(examples=["Jazz"])
    confidence: float = Field(ge=0, le=1, examples=[0.91])


class _Health(BaseModel):
    code: str = Field(examples=["clipping"])
    severity: Literal["info", "warning", "error"]
    value: float
    message: str


class _Clip(BaseModel):
    offset_s: float
    duration_s: float
    track_duration_s: float | None
    sample_rate_hz: int
    channels: int


class _Model(BaseModel):
    name: str
    architecture: str
    weights_sha256: str
    backend: str = Field(examples=["openvino-int8"], description="what computed the answer")
    spectrogram: str = Field(examples=["mel"])


class _Timing(BaseModel):
    decode: float
    spectrogram: float
    network: float
    total: float


class _WindowVote(BaseModel):
    label: str = Field(description="what most windows put first", examples=["Soft_rock"])
    windows: int = Field(description="how many windows put it first")
    of: int = Field(description="how many windows there are")


class _Answer(BaseModel):
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


class PredictResponse(_Answer):
    """The answer for one clip."""

    mel_spectrogram_url: str
    data: list[Any] | None = Field(
        default=None, description="only for JSON bodies: the outputs as Gradio 3 clients read them"
    )


class _Window(BaseModel):
    start_s: float
    end_s: float
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music", "silence"]
    probabilities: dict[str, float] = Field(description="every label of the model; empty for silence")
    not_music: float | None = Field(description="null for silence, and when the model cannot tell")


class _Segment(BaseModel):
    start_s: float
    end_s: float
    genre: str | None = Field(description="null for silence and for what is not music")
    confidence: float | None = Field(description="mean probability over the segment; null for silence")
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music", "silence"]


class _Files(BaseModel):
    csv: str = Field(description="one row per window")
    json_: str = Field(alias="json", description="this answer")
    txt: str = Field(description="the segments as labels for Audacity")


class TimelineResponse(BaseModel):
    """Genre along a track."""

    windows: list[_Window] = Field(description="in order of time, one every hop_s")
    segments: list[_Segment] = Field(description="the same in fewer words, without gaps; short flickers are smoothed")
    window_s: float
    hop_s: float
    clip: _Clip
    model: _Model
    timing_ms: _Timing = Field(description="decode is what the network waited for")
    files: _Files = Field(description="links that expire")


class _Pair(BaseModel):
    a: float | None
    b: float | None
    difference: float | None = Field(description="b minus a; null when one of them cannot be measured")


class CompareResponse(BaseModel):
    """What moved between two versions."""

    summary: list[str] = Field(description="what moved, in words, most important first")
    moved: bool = Field(description="whether a genre moved further than encoding the same music again would move it")
    differences: dict[str, float] = Field(description="label: probability in b minus probability in a")
    noise: float = Field(description="largest change of a probability when either version is encoded once more")
    threshold: float = Field(description="smallest change of a probability that is called one")
    loudness_lufs: _Pair = Field(description="integrated loudness by ITU-R BS.1770")
    brightness_hz: _Pair = Field(description="spectral centroid, up to 11025 Hz")
    a: PredictResponse
    b: PredictResponse


class _HeatPlace(BaseModel):
    time_s: float = Field(description="seconds from the start of the clip")
    frequency_hz: float


class _HeatWindow(BaseModel):
    start_s: float = Field(description="seconds from the start of the clip")
    grid: list[list[float]] = Field(
        description="0..1; rows from high frequencies to low ones, columns with time; 1 speaks most for the label"
    )


class _Heatmap(BaseModel):
    label: str = Field(examples=["Jazz"])
    confidence: float
    method: Literal["grad_cam", "attention"]
    window_s: float = Field(description="seconds that a window is long")
    n_windows: int = Field(description="windows in the clip; at most 12 of them are explained")
    hottest: _HeatPlace | None = Field(description="null when nothing speaks for the label")
    windows: list[_HeatWindow]


class ExplainResponse(_Answer):
    """The answer for one clip, and where the model looked for one label."""

    heatmap: _Heatmap
    heatmap_url: str = Field(description="the heat map over the spectrogram as a PNG; expires")


class _Error(BaseModel):
    code: str = Field(examples=["audio_undecodable"])
    message: str
    hint: str


class _Measured(BaseModel):
    accuracy: float = Field(description="share of right answers on real test music, from the model's description")
    n: int


class _MemberRow(BaseModel):
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


class _Consensus(BaseModel):
    prediction: list[_Score]
    probabilities: dict[str, float] = Field(description="mean over the members")
    calibrated: dict[str, float] | None = Field(description="null unless measured for exactly these members")
    not_music: float | None
    verdict: str
    advice: list[str]
    members: int


class _Vote(BaseModel):
    label: str
    members: int


class _Who(BaseModel):
    name: str
    spectrogram: str


class _Splits(BaseModel):
    votes: list[_Vote] = Field(description="how many members put a label first")
    border: list[str] | None = Field(description="the two labels that the clip lies between")
    pair: list[_Who] | None = Field(description="the two members that differ most")


class EnsembleResponse(BaseModel):
    """What several models say of one clip."""

    models: list[_MemberRow]
    consensus: _Consensus | None = Field(description="null when no model answered")
    agreement: float | None = Field(
        description="how often two members, picked at random, put the same label first: 0 to 1"
    )
    splits: _Splits | None
    sentences: list[str]
    guidance: list[dict[str, Any]]
    health: list[_Health]
    clip: _Clip
    timing_ms: dict[str, Any]


class ErrorResponse(BaseModel):
    """Why there is no answer, and what to do."""

    error: _Error


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": PredictResponse},
    400: {"model": ErrorResponse, "description": "malformed request"},
    404: {"model": ErrorResponse, "description": "unknown model"},
    413: {"model": ErrorResponse, "description": "over a limit on size or length"},
    415: {"model": ErrorResponse, "description": "not an audio file"},
    422: {"model": ErrorResponse, "description": "audio with nothing to predict"},
    503: {"model": ErrorResponse, "description": "the queue is full; see Retry-After"},
}

ENSEMBLE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {**RESPONSES, 200: {"model": EnsembleResponse}}
EXPLAIN_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {**RESPONSES, 200: {"model": ExplainResponse}}
TIMELINE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {**RESPONSES, 200: {"model": TimelineResponse}}
COMPARE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {**RESPONSES, 200: {"model": CompareResponse}}

_OPTIONS: Final[dict[str, Any]] = {
    "model": {"type": "string", "description": "a name from /api/models; empty is the default"},
    "spectrogram": {
        "type": "string",
        "enum": ["mel", "cqt", "chroma"],
        "description": "which image, for models that know several; left out, the model's default",
    },
    "duration_s": {"type": "number", "description": "seconds to predict; left out, the model's own choice (10)"},
    "offset_s": {"type": "number", "default": 0, "description": "where to begin"},
    "top_k": {"type": "integer", "default": 5},
    "private": {
        "type": "boolean",
        "default": False,
        "description": "keep nothing of the answer in memory for the next who sends the same file",
    },
}

_ENSEMBLE_OPTIONS: Final[dict[str, Any]] = {
    "models": {"type": "string", "description": "names from /api/models, with commas between; empty is all of them"},
    "spectrogram": {
        "type": "string",
        "enum": ["mel", "cqt", "both"],
        "default": "both",
        "description": "which images; both is every kind that a model knows",
    },
    "duration_s": {"type": "number", "default": 10, "description": "seconds to predict, the same for all models"},
    "offset_s": _OPTIONS["offset_s"],
    "top_k": {"type": "integer", "default": 3},
}

_LABEL: Final[dict[str, Any]] = {
    "label": {"type": "string", "description": "the label to explain, one of the model's; empty is the best one"}
}

_TIMELINE_OPTIONS: Final[dict[str, Any]] = {
    "model": _OPTIONS["model"],
    "spectrogram": _OPTIONS["spectrogram"],
    "window_s": {"type": "number", "description": "seconds in a window, 1 to 60; left out, the model's own (10)"},
    "hop_s": {"type": "number", "description": "from one window's start to the next; left out, the window"},
    "duration_s": {"type": "number", "description": "seconds to predict; left out, to the end of the track"},
    "offset_s": _OPTIONS["offset_s"],
}


def _body(options: dict[str, Any]) -> dict[str, Any]:
    """A request with a file in a form or in JSON, and options beside it."""
    form = {"type": "string", "format": "binary", "description": "the audio file; `file` and `audio` are read too"}
    values = {
        "type": "array",
        "items": {},
        "description": "one element: a base64 data URI, {name, data}, or a Gradio FileData",
    }
    content = {
        content_type: {"schema": {"type": "object", "required": ["data"], "properties": {"data": data, **options}}}
        for content_type, data in (("multipart/form-data", form), ("application/json", values))
    }
    return {"requestBody": {"required": True, "content": content}}


PREDICT_BODY: Final = _body(_OPTIONS)
ENSEMBLE_BODY: Final = _body(_ENSEMBLE_OPTIONS)
TIMELINE_BODY: Final = _body(_TIMELINE_OPTIONS)
EXPLAIN_BODY: Final = _body({**_OPTIONS, **_LABEL})
COMPARE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["a", "b"],
                    "properties": {
                        "a": {"type": "string", "format": "binary", "description": "the first version"},
                        "b": {"type": "string", "format": "binary", "description": "the second version"},
                        **_OPTIONS,
                    },
                }
            }
        },
    }
}
