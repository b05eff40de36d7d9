"""What `/docs` says of bodies that the routes read and write themselves."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field

__all__ = ["PREDICT_BODY", "RESPONSES"]


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


class PredictResponse(BaseModel):
    """The answer for one clip."""

    prediction: list[_Score] = Field(description="best first, top_k of them")
    probabilities: dict[str, float] = Field(description="every label of the model; they sum to 1")
    not_music: float | None = Field(description="probability that this is not music; null when the model cannot tell")
    verdict: Literal["confident", "plausible", "mixed", "unsure", "not_music"]
    advice: list[str]
    health: list[_Health]
    clip: _Clip
    model: _Model
    timing_ms: _Timing
    mel_spectrogram_url: str
    data: list[Any] | None = Field(
        default=None, description="only for JSON bodies: the outputs as Gradio 3 clients read them"
    )


class _Error(BaseModel):
    code: str = Field(examples=["audio_undecodable"])
    message: str
    hint: str


class ErrorResponse(BaseModel):
    """Why there is no answer, and what to do."""

    error: _Error


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": PredictResponse},
    400: {"model": ErrorResponse, "description": "malformed request"},
    404: {"model": ErrorResponse, "description": "unknown model"},
    413: {"model": ErrorResponse, "description": "over a limit on size or length"},
    415: {"model": ErrorResponse, "description": "not an audio file"},
    422: {"model": ErrorResponse, "description": "audio with nothing to judge"},
    503: {"model": ErrorResponse, "description": "the queue is full; see Retry-After"},
}

_OPTIONS: Final[dict[str, Any]] = {
    "model": {"type": "string", "description": "a name from /api/models; empty is the default"},
    "spectrogram": {
        "type": "string",
        "enum": ["mel", "cqt", "chroma"],
        "description": "which picture, for models that know several; left out, the model's default",
    },
    "duration_s": {"type": "number", "description": "seconds to judge; left out, the model's own choice (10)"},
    "offset_s": {"type": "number", "default": 0, "description": "where to begin"},
    "top_k": {"type": "integer", "default": 5},
}

PREDICT_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "data": {
                            "type": "string",
                            "format": "binary",
                            "description": "the audio file; `file` and `audio` are read too",
                        },
                        **_OPTIONS,
                    },
                }
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "data": {
                            "type": "array",
                            "items": {},
                            "description": "one element: a base64 data URI, {name, data}, or a Gradio FileData",
                        },
                        **_OPTIONS,
                    },
                }
            },
        },
    }
}
