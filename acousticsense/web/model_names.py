"""Models as the page offers them: plain names, which one is best and what each is good for, out of their own files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from acousticsense.i18n.page import ui_text
from acousticsense.models.figures import RecordedTest
from acousticsense.models.genres import display_name
from acousticsense.models.spec import ModelSpec
from acousticsense.web.html import shown_name

#: Between model and kind of image in a value; no name of a model has it.
KIND_MARK: Final = "|"

#: Filters of the first stage of a ResNet as published, and the growth rate of a DenseNet.
_RESNET_WIDTH: Final = 64
_DENSENET_GROWTH: Final = 32
#: Width of a ViT-B as published.
_VIT_B_WIDTH: Final = 768
#: Shares of a published width that have a word of their own.
_SHARES: Final = {0.5: "half", 0.25: "quarter", 0.125: "eighth"}

#: Genres with fewer test recordings say nothing about a model, and no more than so many are named.
_FEWEST_CLIPS: Final = 10
_MOST_NAMED: Final = 2


@dataclass(frozen=True)
class Choice:
    """One way to ask a model: with one of the images that it was trained on.

    Attributes:
        value: what a request says; "" is the default model, and a kind of image stands behind `KIND_MARK`.
        spec: the model, with that image as its own.
        is_first: this is the image that it is given when none is named.
        is_best: no other choice was right more often in the same test.
        is_comparable: it was tested on as many recordings as the best.
    """

    value: str
    spec: ModelSpec
    is_first: bool
    is_best: bool
    is_comparable: bool

    def name(self, language: str) -> str:
        """What people read."""
        name = plain_name(self.spec, language)
        if not self.is_first:
            name = ui_text("model.with", language, name=name, what=_image(self.spec, language))
        return ui_text("model.best", language, name=name) if self.is_best else name

    def facts(self, language: str) -> str:
        """Small print: the technical name, and what the model is good for."""
        technical = self.spec.name
        if self.spec.alternatives:
            technical = ui_text("model.with", language, name=technical, what=_image(self.spec, language))
        test = self.spec.real_test
        if test.right is None or test.n is None:
            return ui_text("model.untested", language, name=technical)
        key = "most_right" if self.is_best else "tested" if self.is_comparable else "other_test"
        words = ui_text(f"model.{key}", language, name=technical, right=test.right, n=test.n)
        if genres := _strongest(test):
            named = ui_text("model.and", language).join(display_name(label, language) for label in genres)
            words += (" " if language == "en" else "") + ui_text("model.strongest", language, genres=named)
        return words


def choices_of(specs: Iterable[ModelSpec], default: str) -> list[Choice]:
    """Every way to ask each model: the default model first, then those that were right most often.

    Args:
        default: name of the model that answers when none is named.
    """
    known = sorted(specs, key=lambda spec: (spec.name != default, *_rank(spec)))
    offered = [(spec, spec.for_spectrogram(kind)) for spec in known for kind in spec.kinds]
    measured = sorted((variant for _, variant in offered if _all_answers(variant)), key=_rank)
    most = _all_answers(measured[0]) if measured else 0
    rivals = {variant.name for variant in measured if _all_answers(variant) == most}
    best = measured[0] if len(rivals) > 1 else None
    return [
        Choice(
            value=("" if spec.name == default else spec.name)
            + ("" if variant is spec else f"{KIND_MARK}{variant.front_end.kind}"),
            spec=variant,
            is_first=variant is spec,
            is_best=variant is best,
            is_comparable=_all_answers(variant) == most,
        )
        for spec, variant in offered
    ]


def plain_name(spec: ModelSpec, language: str) -> str:
    """What people call the network, with its size where that is not the published one."""
    size = _size(spec, language)
    return ui_text("model.with", language, name=shown_name(spec.name), what=size) if size else shown_name(spec.name)


def _image(spec: ModelSpec, language: str) -> str:
    return ui_text(f"model.image.{spec.front_end.kind}", language)


def _all_answers(spec: ModelSpec) -> int:
    """Clips in the recorded test; 0 where it does not say how many of them were named right."""
    test = spec.real_test
    return 0 if test.n is None or test.accuracy is None else test.n


def _rank(spec: ModelSpec) -> tuple[int, float, str]:
    """Orders by the size of the test, then by the share of right answers."""
    n = _all_answers(spec)
    return -n, -(spec.real_test.accuracy or 0.0) if n else 0.0, spec.name


def _strongest(test: RecordedTest) -> list[str]:
    """The genres that a model finds most often, best first, of those that were tested enough."""
    recall, clips = test.recall or {}, test.clips or {}
    counted = [label for label in recall if clips.get(label, 0) >= _FEWEST_CLIPS]
    return sorted(counted, key=lambda label: -recall[label])[:_MOST_NAMED]


def _size(spec: ModelSpec, language: str) -> str:
    """How large a network is beside the published one, in words; "" where nothing is said or known of that."""
    model_args = spec.model_args
    growth = model_args.get("growth_rate")
    if isinstance(growth, int) and growth != _DENSENET_GROWTH:
        return ui_text("model.growth", language, rate=growth)
    width, channels = model_args.get("width"), model_args.get("channels")
    if isinstance(channels, list | tuple) and channels and isinstance(channels[0], int):
        width = channels[0] / _RESNET_WIDTH
    embed_dim = model_args.get("embed_dim")
    if spec.architecture.startswith("vit_base_") and isinstance(embed_dim, int):
        width = embed_dim / _VIT_B_WIDTH
    if not isinstance(width, float) or width == 1:
        return ""
    if width in _SHARES:
        return ui_text(f"model.width.{_SHARES[width]}", language)
    return ui_text("model.width", language, percent=f"{100 * width:g}%")
