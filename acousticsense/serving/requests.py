"""What somebody asks: the same object from a form, a JSON body, the page, a Gradio client and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import ErrorDetails
from typing_extensions import Self

from acousticsense.analysis.results import MAX_WINDOW_S, MIN_HOP_S, MIN_WINDOW_S
from acousticsense.errors import RequestError, quoted
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, SpectrogramKind

#: Models in one request to the ensemble, at most.
_MOST_MODELS: Final = 64
#: Seconds that an excerpt can begin after the start, and that can lie between windows, at most.
_LATEST_S: Final = 10_000_000
#: What to write instead, by field; `_explained` has the words for those with a few choices.
_HINTS: Final = {
    "duration_s": "Ask for 0.1 to 86400 seconds, or all.",
    "offset_s": f"Give seconds from the start, 0 to {_LATEST_S}.",
    "top_k": "Ask for 1 to 1000.",
    "private": "Send true or false.",
    "model": "Send a name from /api/models.",
    "label": "Send one of the model's labels.",
    "models": f"Send names with commas between, {_MOST_MODELS} at most.",
    "window_s": f"A window can have {MIN_WINDOW_S:g} to {MAX_WINDOW_S:g} seconds.",
    "hop_s": f"It must be {MIN_HOP_S:g} to {_LATEST_S} seconds.",
    "min_segment_s": "Give 0 to 3600 seconds; 0 keeps all segments.",
}
#: Fields that are numbers.
_NUMBERS: Final = ("duration_s", "offset_s", "top_k", "window_s", "hop_s", "min_segment_s")
#: Digits of a number that are repeated to who sent it.
_MOST_DIGITS: Final = 40
#: How the documentation describes a duration; the example is what it tries out.
_SECONDS: Final[dict[str, Any]] = {
    "anyOf": [{"type": "number", "minimum": 0.1, "maximum": 86_400}, {"type": "string", "enum": ["all"]}],
    "examples": [10],
}


def _all_as_none(value: object) -> object:
    return None if value == "all" else value


_Seconds = Annotated[float, Field(ge=0.1, le=86_400)]
#: Seconds to predict, None for the whole track ("all"), or "model" for the model's own choice.
_Duration = Annotated[
    _Seconds | Literal["model"] | None,
    BeforeValidator(_all_as_none),
    WithJsonSchema(_SECONDS),
]
#: As `_Duration`, for those who do not leave it to the model.
_FixedDuration = Annotated[
    _Seconds | None,
    BeforeValidator(_all_as_none),
    WithJsonSchema(_SECONDS),
]
_Kind = Annotated[SpectrogramKind | None, WithJsonSchema({"type": "string", "enum": ["", *get_args(SpectrogramKind)]})]
_Offset = Annotated[float, Field(ge=0, le=_LATEST_S, description="where to begin, in seconds from the start")]

_MODEL: Final[Any] = Field(default="", description="a name from /api/models; empty is the default")
_SPECTROGRAM: Final[Any] = Field(
    default=None, description="which image, for models that know several; left out, the model's default"
)
_TOP_K: Final = "how many labels `prediction` lists, best first"


class AnyRequest(BaseModel):
    """Fields that are checked.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _explained(error.errors()[0]) from error

    @field_validator(*_NUMBERS, mode="before", check_fields=False)
    @classmethod
    def _take_no_truth_for_a_number(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("true and false are no numbers")
        return value

    def replace(self, **values: Any) -> Self:
        """This request but for some fields."""
        return type(self)(**{**dict(self), **values})


class ClipRequest(AnyRequest):
    """An excerpt of a file for one model.

    Attributes:
        duration_s: seconds to predict; "model" is the model's own choice, None the whole track.
        offset_s: seconds from the start where the excerpt begins.
    """

    model: str = _MODEL
    spectrogram: _Kind = _SPECTROGRAM
    duration_s: _Duration = Field(
        default="model", description="seconds to predict, or all; left out, the model's own choice (10)"
    )
    offset_s: _Offset = 0.0
    top_k: int = Field(default=5, ge=1, le=1000, description=_TOP_K)


class PredictRequest(ClipRequest):
    """What a user asked of one clip.

    Attributes:
        private: nothing of the answer is kept for others who send the same file.
    """

    private: Annotated[bool, BeforeValidator(lambda value: str(value).lower())] = Field(
        default=False, description="keep nothing of the answer in memory for the next who sends the same file"
    )


class ExplainRequest(PredictRequest):
    """What a user asked of one clip and one label."""

    label: str = Field(default="", description="the label to explain, one of the model's; empty is the best one")


class CompareRequest(ClipRequest):
    """What a user asked of two to four versions of a piece."""


class SimilarRequest(AnyRequest):
    """What a user asked of one song and a library."""

    top_k: int = Field(default=10, ge=1, le=1000, description="how many songs, the nearest first")


class EnsembleRequest(AnyRequest):
    """What a user asked several models of one clip; no names stand for all models."""

    models: Annotated[
        tuple[str, ...],
        Field(
            max_length=_MOST_MODELS,
            description="names from /api/models, with commas between; empty: all, copies once",
        ),
        WithJsonSchema({"type": "string"}),
    ] = ()
    spectrogram: Literal["mel", "cqt", "both"] = Field(
        default="both", description="which images; both is every kind that a model knows"
    )
    duration_s: _FixedDuration = Field(
        default=NATIVE_WINDOWS.default_duration_s, description="seconds to predict, or all; the same for all models"
    )
    offset_s: _Offset = 0.0
    top_k: int = Field(default=3, ge=1, le=1000, description=_TOP_K)

    @field_validator("models", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, Sequence):
            return names
        return tuple(name.strip() if isinstance(name, str) else name for name in names if name != "")


class TimelineRequest(AnyRequest):
    """What a user asked of one track; None stands for the model's window, a hop of one window, and the whole track."""

    model: str = _MODEL
    spectrogram: _Kind = _SPECTROGRAM
    window_s: Annotated[float, Field(ge=MIN_WINDOW_S, le=MAX_WINDOW_S)] | None = Field(
        default=None, examples=[10], description="seconds in a window; left out, the model's own (10)"
    )
    hop_s: Annotated[float, Field(ge=MIN_HOP_S, le=_LATEST_S)] | None = Field(
        default=None, examples=[10], description="from one window's start to the next, in seconds; left out, the window"
    )
    duration_s: _FixedDuration = Field(
        default=None, examples=["all"], description="seconds to predict; left out or all, to the end of the track"
    )
    offset_s: _Offset = 0.0
    min_segment_s: float = Field(
        default=0.0, ge=0, le=3600, description="shorter segments are given to the one beside them; 0 keeps all"
    )


R = TypeVar("R", bound=AnyRequest)


def parse(kind: type[R], fields: Mapping[str, Any]) -> R:
    """The request that somebody's fields describe; empty ones stand for defaults, unknown ones are not read.

    Raises:
        RequestError: naming the field, its value and what is allowed.
    """
    return kind(**{name: fields[name] for name in kind.model_fields if fields.get(name) not in (None, "")})


def _explained(mistake: ErrorDetails) -> RequestError:
    name, value = str(mistake["loc"][0]), mistake["input"]
    hint = _HINTS.get(name, f"{mistake['msg']}.")
    if mistake["type"] == "literal_error":
        hint = f"Choose one of {mistake['ctx']['expected']}."
    if mistake["type"] == "too_long":
        return RequestError(f"{mistake['ctx']['actual_length']} {name} were asked.", hint=hint)
    return RequestError(f"{name} is {_shown(value)}.", hint=hint)


def _shown(value: object) -> str:
    """Numbers as they are but for their end when they are long, words in quotation marks."""
    words = str(value).strip()
    try:
        float(words)
    except ValueError:
        return quoted(value)
    return words if len(words) <= _MOST_DIGITS else f"{words[:_MOST_DIGITS]}…"
