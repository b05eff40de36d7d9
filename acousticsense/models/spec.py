"""What a model is, as data: the contents of `models/NAME/model.json`.

Nothing here knows how to compute anything. A recipe travels with the weights it belongs to, and no audio or image
constant is defined anywhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, AliasChoices, Field, JsonValue, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from acousticsense.errors import CheckpointError, RequestError
from acousticsense.models.figures import RecordedTest
from acousticsense.spectrogram.front_end import (
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    STRICT,
    FrontEnd,
    SpectrogramKind,
    WindowPolicy,
)

#: The description in a model's folder.
SPEC_FILE: Final = "model.json"

#: A threshold above every probability: what it guards is never said.
NEVER: Final = 1.01

_T = TypeVar("_T")
_Share = Annotated[float, Field(ge=0, le=1)]
_Threshold = Annotated[float, Field(ge=0, le=NEVER)]
_Text = Annotated[str, Field(min_length=1)]


def _no_more_than_all(counts: tuple[int, int]) -> tuple[int, int]:
    right, total = counts
    if right > total:
        raise ValueError(f"{right} right answers of {total} are too many")
    return counts


#: Right answers, and all answers.
_RightOf = Annotated[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(gt=0)]], AfterValidator(_no_more_than_all)]

#: Mistakes in a file that are told at once; the first ones usually explain the others.
_TOLD: Final = 3


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Calibration:
    """What probabilities mean: fitted on real validation music, measured on real test music.

    Attributes:
        temperature: divisor of the logits, above 0; 1.0 is uncalibrated.
        confident_at: lowest top probability that is called confident; thresholds are in 0..1, or `NEVER`.
        plausible_at: lowest top probability that is called plausible.
        mixed_at: lowest sum of the two best that is called a mix of two styles, when neither is plausible alone.
        not_music_at: lowest probability of the not-music output that is called not music; None when there is none.
        level_accuracy: verdict -> share of right answers on test music, for those that were measured; quoted to users.
        level_counts: verdict -> (right answers, all answers) behind that share; empty in files that do not say.
        measured_on: what temperature and thresholds were fitted on, in words; empty when they were not.
    """

    temperature: Annotated[float, Field(gt=0)] = 1.0
    confident_at: _Threshold = 0.8
    plausible_at: _Threshold = 0.5
    mixed_at: _Threshold = 0.6
    not_music_at: _Threshold | None = None
    level_accuracy: dict[str, _Share] = Field(
        default_factory=dict, validation_alias=AliasChoices("level_accuracy", "band_accuracy")
    )
    level_counts: dict[str, _RightOf] = field(default_factory=dict)
    measured_on: str = ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Alternative:
    """A further image that a model's weights were trained on.

    Attributes:
        front_end: recipe of the image; size, mean and std are those of the model's other images.
        calibration: what probabilities mean when the model sees it.
        metrics: what was measured with it, like `ModelSpec.metrics`.
    """

    front_end: FrontEnd
    calibration: Calibration = field(default_factory=Calibration)
    metrics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ModelSpec:
    """One installed model: everything but the weights themselves.

    `front_end`, `calibration` and `metrics` belong together: they are those of the image that the model sees unless
    another of its `alternatives` is asked for.

    Attributes:
        name: folder name under `models/`.
        architecture: a timm model name (or, for networks read as they are, a torchvision one; see `networks`).
        model_args: arguments of `timm.create_model` that make the network another size than published.
        labels: label of each genre output, in index order.
        has_not_music: the network has one more output after the labels: "this is not music".
        head: widths of the classifier's hidden layers; empty is a single linear layer.
        front_end: recipe of the image.
        alternatives: further images the same weights were trained on, each of a kind of its own.
        windows: how clips are cut.
        calibration: what the probabilities mean.
        weights_file: file name inside the folder.
        weights_sha256: its SHA-256 in hex; empty when unrecorded (a bare file).
        licence: SPDX identifier or words.
        provenance: where the weights come from, in words.
        metrics: measured figures, e.g. {"real_test": {"n": 237, "accuracy": 0.61, ...}}; `real_test` reads them.
    """

    name: _Text
    architecture: _Text
    model_args: dict[str, JsonValue] = field(default_factory=dict)
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    has_not_music: bool = False
    head: tuple[Annotated[int, Field(gt=0)], ...] = ()
    front_end: FrontEnd = NATIVE_MEL
    alternatives: tuple[Alternative, ...] = ()
    windows: WindowPolicy = NATIVE_WINDOWS
    calibration: Calibration = field(default_factory=Calibration)
    weights_file: _Text = "model.safetensors"
    weights_sha256: str = ""
    licence: str = ""
    provenance: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """Width of the last layer."""
        return len(self.labels) + int(self.has_not_music)

    @property
    def real_test(self) -> RecordedTest:
        """How the model did on real test music."""
        return RecordedTest.of(self.metrics)

    @property
    def kinds(self) -> tuple[SpectrogramKind, ...]:
        """The images the weights were trained on, the default first."""
        return (self.front_end.kind, *(other.front_end.kind for other in self.alternatives))

    def for_spectrogram(self, kind: SpectrogramKind | None) -> ModelSpec:
        """The same model with the image of `kind` as its default (None: as it is).

        Raises:
            RequestError: these weights were not trained on that kind of image.
        """
        if kind is None or kind == self.front_end.kind:
            return self
        if kind not in self.kinds:
            raise RequestError(
                f"model {self.name!r} was not trained on {kind} images.", hint=f"It knows: {', '.join(self.kinds)}."
            )
        wanted = next(other for other in self.alternatives if other.front_end.kind == kind)
        left = Alternative(front_end=self.front_end, calibration=self.calibration, metrics=self.metrics)
        return replace(
            self,
            front_end=wanted.front_end,
            calibration=wanted.calibration,
            metrics=wanted.metrics,
            alternatives=(left, *(other for other in self.alternatives if other is not wanted)),
        )

    def display_front_end(self, kind: SpectrogramKind) -> FrontEnd:
        """The recipe by which people are shown a clip: this model's own where it knows the kind, else the native one.

        Raises:
            RequestError: chroma, for a model that does not predict it.
        """
        native = {"mel": NATIVE_MEL, "cqt": NATIVE_CQT}
        return native[kind] if kind in native and kind not in self.kinds else self.for_spectrogram(kind).front_end

    def to_json(self) -> str:
        """The text of `model.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @model_validator(mode="after")
    def _check_images(self) -> ModelSpec:
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"there are two images of one kind: {', '.join(self.kinds)}")
        if any(_input_of(other.front_end) != _input_of(self.front_end) for other in self.alternatives):
            raise ValueError("its images differ in image_size, mean or std, or in what is fed")
        return self

    @classmethod
    def from_json(cls, text: str, *, source: str = SPEC_FILE) -> ModelSpec:
        """Reads `model.json`.

        Raises:
            CheckpointError: not JSON, or a field is missing, unknown, of the wrong type or out of range; `source`, the
                field and its value are named.
        """
        return _parsed(_MODEL, _renewed(text), source)

    @classmethod
    def read(cls, path: Path) -> ModelSpec:
        """Reads the file at `path`; raises like `from_json`."""
        return replace(cls.from_json(_text_of(path), source=str(path)), name=path.parent.name)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class EnsembleSpec:
    """What was measured for several models together: the contents of `models/ensemble.json`.

    Attributes:
        members: (model, kind of image, SHA-256 of its weights) of each member that was averaged, in any order.
        weights: how much each member counts in the weighted geometric mean, in their order; none is equally much.
        calibration: what that mean of their probabilities means; its temperature divides the logarithm of the mean.
    """

    members: tuple[tuple[str, str, str], ...] = Field(validation_alias=AliasChoices("members", "voices"))
    weights: tuple[Annotated[float, Field(ge=0)], ...] = ()
    calibration: Calibration = field(default_factory=Calibration)
    metrics: dict[str, Any] = field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> EnsembleSpec:
        if self.weights and (len(self.weights) != len(self.members) or not sum(self.weights)):
            raise ValueError("weights needs one number for each member, not all of them 0")
        return self

    @property
    def real_test(self) -> RecordedTest:
        """How these models did together on real test music."""
        return RecordedTest.of(self.metrics)

    @property
    def weight_of(self) -> dict[tuple[str, str, str], float]:
        """Member -> its weight."""
        return dict(zip(self.members, self.weights or (1.0,) * len(self.members), strict=True))

    def to_json(self) -> str:
        """The text of `ensemble.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> EnsembleSpec:
        """Reads the file at `path`.

        Raises:
            CheckpointError: it cannot be read; otherwise as `ModelSpec.from_json`.
        """
        return _parsed(_ENSEMBLE, _text_of(path), str(path))


_MODEL: Final = TypeAdapter(ModelSpec)
_ENSEMBLE: Final = TypeAdapter(EnsembleSpec)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error


def _renewed(text: str) -> str:
    """The first files listed further images as bare recipes, `alternative_front_ends`."""
    if '"alternative_front_ends"' not in text:
        return text
    try:
        raw = json.loads(text)
        bare = raw.pop("alternative_front_ends")
        return json.dumps({**raw, "alternatives": [{"front_end": recipe} for recipe in bare]})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text  # validation says what is wrong


def _parsed(adapter: TypeAdapter[_T], text: str, source: str) -> _T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        told = "; ".join(_told(dict(each)) for each in error.errors(include_url=False)[:_TOLD])
        raise CheckpointError(f"{source} is not a usable description: {told}.") from error


def _told(mistake: Mapping[str, Any]) -> str:
    """One of pydantic's complaints with the field and its value, as a clause."""
    where, what = ".".join(map(str, mistake["loc"])), str(mistake["msg"]).removeprefix("Value error, ")
    what = what[:1].lower() + what[1:]
    if not where:
        return what
    if mistake["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"there is no field {where}"
    return f"{where} is missing" if mistake["type"] == "missing" else f"{where} is {mistake['input']!r}: {what}"


def _input_of(front_end: FrontEnd) -> tuple[object, ...]:
    """What a network expects of whatever it is given."""
    return front_end.reads_images, front_end.image_size, front_end.mean, front_end.std
