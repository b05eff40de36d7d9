"""What a model is, as data: the contents of `models/NAME/model.json`.

Nothing here knows how to compute anything. A recipe travels with the weights it belongs to, and no audio or image
constant is defined anywhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from acousticsense.errors import CheckpointError, RequestError

__all__ = [
    "Alternative",
    "Calibration",
    "EnsembleSpec",
    "ModelSpec",
    "tested_labels",
]

from acousticsense.spectrogram.front_end import (
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    Style,
    WindowPolicy,
)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What probabilities mean: fitted on real validation music, measured on real test music.

    Attributes:
        temperature: divisor of the logits; 1.0 is uncalibrated.
        confident_at: lowest top probability that is called confident.
        plausible_at: lowest top probability that is called plausible.
        mixed_at: lowest sum of the two best that is called a mix of two styles, when neither is plausible alone.
        not_music_at: lowest probability of the not-music output that is called not music; None when there is none.
        band_accuracy: verdict -> share of right answers on test music, for those that were measured; quoted to users.
        measured_on: what temperature and thresholds were fitted on, in words; empty when they were not.
    """

    temperature: float = 1.0
    confident_at: float = 0.8
    plausible_at: float = 0.5
    mixed_at: float = 0.6
    not_music_at: float | None = None
    band_accuracy: dict[str, float] = field(default_factory=dict)
    measured_on: str = ""


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One installed model: everything but the weights themselves.

    `front_end`, `calibration` and `metrics` belong together: they are those of the image that the model sees unless
    another of its `alternatives` is asked for.

    Attributes:
        name: folder name under `models/`.
        architecture: a timm model name (or, for networks read as they are, a torchvision one; see `networks`).
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
        metrics: measured figures, e.g. {"real_test": {"top1": 0.61, ...}}.
    """

    name: str
    architecture: str
    labels: tuple[str, ...]
    has_not_music: bool = False
    head: tuple[int, ...] = ()
    front_end: FrontEnd = NATIVE_MEL
    alternatives: tuple[Alternative, ...] = ()
    windows: WindowPolicy = NATIVE_WINDOWS
    calibration: Calibration = field(default_factory=Calibration)
    weights_file: str = "model.safetensors"
    weights_sha256: str = ""
    licence: str = ""
    provenance: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """Width of the last layer."""
        return len(self.labels) + int(self.has_not_music)

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

    @classmethod
    def from_json(cls, text: str, *, source: str = "model.json") -> ModelSpec:
        """Reads `model.json`.

        Raises:
            CheckpointError: not JSON, or a field is missing, unknown or of the wrong kind; `source` is named.
        """
        try:
            spec = cast(ModelSpec, _build(cls, _renewed(json.loads(text))))
            if len(set(spec.kinds)) < len(spec.kinds):
                raise ValueError(f"there are two images of one kind: {', '.join(spec.kinds)}")
            if any(_input_of(other.front_end) != _input_of(spec.front_end) for other in spec.alternatives):
                raise ValueError("its images differ in image_size, mean or std")
        except (json.JSONDecodeError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{source} is not a usable model description: {error}.") from error
        return spec

    @classmethod
    def read(cls, path: Path) -> ModelSpec:
        """Reads the file at `path`; raises like `from_json`."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}.") from error
        return replace(cls.from_json(text, source=str(path)), name=path.parent.name)


@dataclass(frozen=True, kw_only=True)
class EnsembleSpec:
    """What was measured for several models together: the contents of `models/ensemble.json`.

    Attributes:
        members: (model, kind of image, SHA-256 of its weights) of each member that was averaged, in any order.
        calibration: what the mean of their probabilities means; its temperature divides the logarithm of that mean.
        metrics: measured figures.
    """

    members: tuple[tuple[str, str, str], ...]
    calibration: Calibration = field(default_factory=Calibration)
    metrics: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of `ensemble.json`."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"

    @classmethod
    def read(cls, path: Path) -> EnsembleSpec:
        """Reads the file at `path`.

        Raises:
            CheckpointError: it cannot be read, or a field is missing, unknown or of the wrong kind.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            members = tuple((str(name), str(kind), str(sha256)) for name, kind, sha256 in raw["members"])
            return cast(EnsembleSpec, _build(cls, {**raw, "members": members}))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(f"{path} is not a usable description: {error}.") from error


def tested_labels(metrics: Mapping[str, Any]) -> frozenset[str] | None:
    """The labels of the clips that a model was tested on, from its metrics; None where they do not say."""
    figures = metrics.get("real_test")
    clips = figures.get("clips") if isinstance(figures, Mapping) else None
    return frozenset(label for label, count in clips.items() if count) if isinstance(clips, Mapping) else None


_NESTED: Final = MappingProxyType({"front_end": FrontEnd, "windows": WindowPolicy, "calibration": Calibration})


_CHOICES: Final = MappingProxyType(
    {
        "kind": get_args(SpectrogramKind),
        "style": get_args(Style),
        "anchor": ("start", "center"),
        "vote": ("mean", "majority"),
    }
)


def _input_of(front_end: FrontEnd) -> tuple[object, ...]:
    """What a network expects of any image that it is given."""
    return front_end.image_size, front_end.mean, front_end.std


def _renewed(raw: dict[str, Any]) -> dict[str, Any]:
    """The first files listed further images as bare recipes, `alternative_front_ends`."""
    bare = raw.pop("alternative_front_ends", [])
    return {**raw, "alternatives": [{"front_end": entry} for entry in bare]} if bare else raw


def _build(cls: type[Any], raw: dict[str, Any]) -> object:
    """A frozen dataclass from plain JSON values; unknown keys and impossible choices are errors, not surprises."""
    known = {entry.name for entry in fields(cls)}
    if unknown := set(raw) - known:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r} in {cls.__name__}")
    values: dict[str, Any] = {}
    for key, value in raw.items():
        if key in _CHOICES and value not in _CHOICES[key]:
            raise ValueError(f"{key} is {value!r}, expected one of {', '.join(_CHOICES[key])}")
        if key in _NESTED:
            values[key] = _build(_NESTED[key], value)
        elif key == "alternatives":
            values[key] = tuple(_build(Alternative, entry) for entry in value)
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    return cls(**values)
