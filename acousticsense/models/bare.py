"""Weights without a description: what network they fill and what it was trained on, from their tensors and names."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

from acousticsense.errors import CheckpointError
from acousticsense.models.checkpoint import fits, infer_architecture, read_head
from acousticsense.models.formats import UPSTREAM_FILE
from acousticsense.models.genres import CCMUSIC_LABELS, GENRES
from acousticsense.models.networks import (
    OWN_ARCHITECTURES,
    UPSTREAM_ARCHITECTURES,
    input_size,
    timm_name,
    timm_with_ours,
)
from acousticsense.models.spec import ModelSpec
from acousticsense.models.weights import read_state_dict
from acousticsense.spectrogram.front_end import (
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    upstream_front_end,
)

logger = logging.getLogger(__name__)

#: Upstream's folder names: architecture, spectrogram, and in older revisions class count and date.
_UPSTREAM_NAME: Final = re.compile(r"(?P<architecture>\w+?)_(?:mel|cqt|chroma)(?:_.*)?")
_KIND: Final = re.compile(r"(?:^|[_-])(mel|cqt|chroma)(?:$|[_-])")


def describe(path: Path) -> ModelSpec:
    """The description of bare weights, by their tensors and by the names of file and folder.

    Raises:
        CheckpointError: they cannot be read, or it cannot be told what network they fill.
    """
    status = path.stat()
    return _described(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _described(path: Path, _mtime_ns: int, _size: int) -> ModelSpec:
    """`describe`, remembered until the file changes, since listing a catalogue asks again and again."""
    tensors = read_state_dict(path)
    named = _named_architecture(path)
    architecture = named if named and fits(tensors, named) else infer_architecture(tensors) or named
    if architecture is None:
        raise CheckpointError(
            f"{path}: it cannot be told which network these weights belong to.",
            hint="Say it: acousticsense import-checkpoint FILE --architecture A --spectrogram S --labels L --name N",
        )
    network_name = timm_name(architecture)
    head = read_head(tensors, network_name)
    figure = bool(head.hidden) or named is not None
    return ModelSpec(
        name=path.parent.name if path.name == UPSTREAM_FILE else path.stem,
        architecture=network_name,
        labels=_labels(head.n_outputs, figure=figure),
        head=head.hidden,
        front_end=front_end_for(_named_kind(path), network_name, figure=figure),
        windows=UPSTREAM_WINDOWS if figure else NATIVE_WINDOWS,
        weights_file=path.name,
        provenance=f"{path.name} without a description: labels and image follow from its shape and name",
    )


def _named_architecture(path: Path) -> str | None:
    """Reads upstream's naming: "vgg19_bn_mel_16cls_2024-01-10_22-44-40" is vgg19_bn."""
    for name in (path.stem, path.parent.name):
        match = _UPSTREAM_NAME.fullmatch(name)
        architecture = match["architecture"] if match else ""
        if architecture in UPSTREAM_ARCHITECTURES or timm_with_ours().is_model(architecture):
            return architecture
    return None


def _named_kind(path: Path) -> SpectrogramKind:
    """Which image the names of file and folder speak of; mel, with a warning, when neither does."""
    for name in (path.stem, path.parent.name):
        if match := _KIND.search(name):
            return cast(SpectrogramKind, match[1])
    logger.warning("%s does not say on which image it was trained; mel is assumed.", path)
    return "mel"


def _labels(n_outputs: int, *, figure: bool) -> tuple[str, ...]:
    """The label set of that size; outputs that nobody named are numbered."""
    known = CCMUSIC_LABELS if figure else GENRES
    return known if len(known) == n_outputs else tuple(f"class_{index}" for index in range(n_outputs))


def front_end_for(kind: SpectrogramKind, architecture: str, *, figure: bool) -> FrontEnd:
    """The image of a kind at a network's own size: upstream's figure, or grey levels."""
    if architecture in OWN_ARCHITECTURES:
        return OWN_ARCHITECTURES[architecture].front_end
    size = input_size(architecture)
    if figure:
        return upstream_front_end(kind, image_size=size)
    return replace(NATIVE_CQT if kind == "cqt" else NATIVE_MEL, image_size=size)
