"""The members of an ensemble: which models and images are asked, the clip made ready for each, and how far they are."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch

from acousticsense.analysis.results import Member
from acousticsense.audio.source import Source
from acousticsense.errors import AcousticSenseError, CheckpointError, RequestError
from acousticsense.inference.decoding import Decoder, Recipe, decode
from acousticsense.inference.preprocess import PreparedClip, draw
from acousticsense.models.catalog import Catalog, without_copies
from acousticsense.models.spec import EnsembleSpec, ModelSpec
from acousticsense.spectrogram.front_end import SpectrogramKind

#: Which images are analysed: one kind, or every kind that a model knows.
Spectrograms = Literal["mel", "cqt", "both"]

#: (model, kind of image) -> the clip as that member's network takes it.
Clips = Mapping[tuple[str, str], PreparedClip]

State = Literal["loading", "analysing", "done", "failed"]


@dataclass(frozen=True)
class Progress:
    """How far a model of an ensemble is.

    Attributes:
        state: what it is doing now, or how it ended.
        total: models that were asked.
    """

    name: str
    state: State
    total: int


Report = Callable[[Progress], None]
Tell = Callable[[str, State], None]


def telling(report: Report | None, total: int) -> Tell:
    """What tells `report` of a model's new state. Models run in several threads: it is told of one after the other."""
    lock = threading.Lock()

    def tell(name: str, state: State) -> None:
        if report:
            with lock:
                report(Progress(name, state, total))

    return tell


@dataclass(frozen=True)
class ChosenModel:
    """A model of the catalogue that was asked for.

    Attributes:
        spec: its description; None when that cannot be read.
        kinds: images to analyse, each a member of its own.
        error: why there is no description.
    """

    name: str
    spec: ModelSpec | None
    kinds: tuple[SpectrogramKind, ...]
    error: AcousticSenseError | None = None

    @property
    def specs(self) -> dict[SpectrogramKind, ModelSpec]:
        """Kind of image -> the description with that image as its main one."""
        return {kind: self.spec.for_spectrogram(kind) for kind in self.kinds} if self.spec else {}


def choose_models(catalog: Catalog, names: Sequence[str], spectrogram: Spectrograms) -> tuple[ChosenModel, ...]:
    """The models to ask, each once and in the order given. Those that do not know the image are left out.

    Args:
        names: in the catalogue; none is all of them, of copies of one model (by their weights) the first.
        spectrogram: one kind of image, or "both" for every kind that a model knows.

    Raises:
        UnknownModelError: a name that is not installed.
        RequestError: no such kind of image, or none of the models knows it.
        CheckpointError: none of the models can be described.
    """
    if spectrogram not in get_args(Spectrograms):
        choices = ", ".join(get_args(Spectrograms))
        raise RequestError(f"spectrogram is {spectrogram!r}.", hint=f"Choose one of {choices}.")
    wanted = names or [entry.name for entry in without_copies(catalog.list())]
    found = [_chosen(catalog, name, spectrogram) for name in dict.fromkeys(wanted)]
    chosen = tuple(model for model in found if model.kinds or model.error)
    if not any(model.kinds for model in chosen):
        error = next((model.error for model in chosen if model.error), None)
        raise error or RequestError(f"None of these models knows {spectrogram} images.", hint="Choose others.")
    return chosen


def _chosen(catalog: Catalog, name: str, spectrogram: Spectrograms) -> ChosenModel:
    try:
        spec = catalog.spec(name)
    except CheckpointError as error:
        return ChosenModel(name, None, (), error)
    return ChosenModel(name, spec, tuple(kind for kind in spec.kinds if spectrogram in (kind, "both")))


def prepare_clips(
    source: Source,
    models: Sequence[ChosenModel],
    recipe_of: Callable[[ModelSpec], Recipe],
    device: torch.device,
    decoder: Decoder = decode,
) -> Clips:
    """The clip for each member. Decoding, and each recipe's images, are done once and shared.

    `recipe_of` says how the excerpt, the same for all, becomes the images of a model's main kind.

    Raises:
        AudioError: not audio, over a limit, or nothing in it.
    """
    recipes = {(model.name, kind): recipe_of(spec) for model in models for kind, spec in model.specs.items()}
    by_rate = {recipe.front_end.sample_rate_hz: recipe for recipe in recipes.values()}
    if len(by_rate) > 1 and not isinstance(source, (str, Path, bytes)):
        source = source.read()
    decoded = {rate_hz: decoder(source, recipe) for rate_hz, recipe in by_rate.items()}
    drawn = {
        recipe: draw(decoded[recipe.front_end.sample_rate_hz], recipe, device=device)
        for recipe in dict.fromkeys(recipes.values())
    }
    if device.type == "cuda":
        torch.cuda.synchronize(device)  # the models' streams do not wait for the one that drew
    return {key: drawn[recipe] for key, recipe in recipes.items()}


def drawing_times(clips: Clips) -> dict[str, float]:
    """Kind of image -> milliseconds, over all recipes of that kind."""
    different = {id(clip): (kind, clip.spectrogram_ms) for (_, kind), clip in clips.items()}
    times: dict[str, float] = {}
    for kind, spent_ms in different.values():
        times[kind] = round(times.get(kind, 0.0) + spent_ms, 2)
    return times


def failed_members(model: ChosenModel, error: Exception) -> tuple[Member, ...]:
    """One member with its error for each image that was asked for."""
    reason = error if isinstance(error, AcousticSenseError) else _unforeseen(model.name, error)
    return tuple(
        Member(name=model.name, spectrogram=kind, error=reason, measured=measured_accuracy(spec))
        for kind, spec in model.specs.items()
    )


def _unforeseen(name: str, error: Exception) -> CheckpointError:
    reason = CheckpointError(f"{name} could not answer: {error or type(error).__name__}.", hint="See the server's log.")
    reason.__cause__ = error
    return reason


def identities(members: Iterable[Member]) -> tuple[tuple[str, str, str], ...]:
    """Model, image and weights of each member that answered."""
    return tuple(
        (member.name, member.spectrogram, member.prediction.model.weights_sha256)
        for member in members
        if member.prediction
    )


def measured_accuracy(spec: ModelSpec | EnsembleSpec) -> tuple[float, int] | None:
    """Accuracy on real test music and the number of clips, as a description has them; None when not measured."""
    test = spec.real_test
    return None if test.accuracy is None else (test.accuracy, test.n or 0)
