"""New folders in models/: anybody's checkpoint is imported, what was trained is installed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

from torch import Tensor

from acousticsense.errors import CheckpointError, RequestError, quoted
from acousticsense.files import replace_folder, sha256_of
from acousticsense.models.bare import front_end_for
from acousticsense.models.catalog import Catalog, is_safe_name
from acousticsense.models.checkpoint import CheckpointReport, check_answers, load_network
from acousticsense.models.genres import CCMUSIC_LABELS
from acousticsense.models.networks import OWN_ARCHITECTURES, input_size, timm_name
from acousticsense.models.spec import SPEC_FILE, ModelSpec
from acousticsense.models.weights import write_state_dict
from acousticsense.spectrogram.front_end import NATIVE_WINDOWS, UPSTREAM_WINDOWS, SpectrogramKind

#: How the folders are named in which a model is put together.
_DRAFT: Final = ".importing-"


def import_checkpoint(
    file: Path,
    *,
    architecture: str,
    spectrogram: SpectrogramKind,
    labels: Sequence[str],
    name: str,
    catalog: Catalog,
    style: Literal["native", "figure"] | None = None,
    overwrite: bool = False,
) -> CheckpointReport:
    """Makes a folder in the catalogue out of anybody's checkpoint; it appears whole or not at all.

    Args:
        file: safetensors or PyTorch weights.
        architecture: timm or torchvision name.
        spectrogram: which image the network was trained on.
        labels: label of each output, in order.
        name: folder to make.
        style: how that image was drawn; None takes upstream's figure for chroma, for upstream's labels and for
            upstream's MLP head, and grey levels otherwise.

    Raises:
        RequestError: the name cannot be a folder's, is taken, or labels repeat.
        IncompatibleCheckpointError: the weights do not fit the network, or the labels do not fit its outputs.
        CheckpointError: the file cannot be used, or the folder cannot be written.
    """
    labels = tuple(labels)
    check_new(catalog, name, labels, overwrite=overwrite)
    if timm_name(architecture) in OWN_ARCHITECTURES and (spectrogram != "mel" or style == "figure"):
        raise RequestError(f"{architecture} is fed its own mel spectrogram.", hint="Choose mel, and no style.")
    if spectrogram == "chroma" and style == "native":
        raise RequestError("chroma images are drawn as figures only.", hint="Choose mel or cqt, or the figure style.")
    network_name = timm_name(architecture)
    network, report = load_network(
        file, architecture=network_name, n_outputs=len(labels), image_size=input_size(network_name)
    )
    front_end = front_end_for(spectrogram, network_name, figure=False)
    check_answers(network, name, front_end.input_shape(NATIVE_WINDOWS), len(labels))
    if style is None:
        upstreams = spectrogram == "chroma" or labels == CCMUSIC_LABELS or bool(report.head)
        style = "figure" if upstreams else "native"
    spec = ModelSpec(
        name=name,
        architecture=network_name,
        labels=labels,
        head=report.head,
        front_end=front_end_for(spectrogram, network_name, figure=style == "figure"),
        windows=UPSTREAM_WINDOWS if style == "figure" else NATIVE_WINDOWS,
        provenance=f"imported from {file.name}, SHA-256 {sha256_of(file)}",
    )
    install(catalog, network.state_dict(), spec)
    return report


def check_new(catalog: Catalog, name: str, labels: tuple[str, ...], *, overwrite: bool = False) -> None:
    """Checks that a model of that name and with these labels can be installed.

    Raises:
        RequestError: the name cannot be a folder's, is taken (with `overwrite`, by anything but a model), or labels
            repeat.
        CheckpointError: the folder cannot be written.
    """
    if not is_safe_name(name):
        raise RequestError(
            f"{quoted(name)} cannot be the name of a model.",
            hint="Use letters, digits, '_', '-', '.' and '+'; no folders.",
        )
    if repeated := sorted({label for label in labels if labels.count(label) > 1}):
        raise RequestError(f"Labels are repeated: {', '.join(repeated)}.")
    folder = catalog.root / name
    try:
        is_there, is_model = os.path.lexists(folder), (folder / SPEC_FILE).is_file()
        _try_writing(catalog.root)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if is_there and not is_model:
        raise RequestError(f"{folder} is there already, and no model.", hint="Choose another name.")
    if is_there and not overwrite:
        raise RequestError(
            f"There is a model {quoted(name)} already.", hint="Choose another name, or remove its folder."
        )


def _try_writing(root: Path) -> None:
    """Makes a folder where `install` will, or in the nearest folder above that is there, and removes it."""
    parent = next(parent for parent in (root, *root.absolute().parents) if parent.exists())
    with tempfile.TemporaryDirectory(dir=parent, prefix=_DRAFT):
        pass


def install(
    catalog: Catalog,
    tensors: Mapping[str, Tensor],
    spec: ModelSpec,
    *,
    eight_bit: Collection[str] = (),
    describe: Callable[[Path], None] | None = None,
) -> ModelSpec:
    """Makes the folder of a model, which appears whole or not at all and replaces one of its name.

    Args:
        spec: the description; the hash of the weights is filled in.
        eight_bit: names of tensors to store in 8 bits.
        describe: writes whatever else belongs into the folder that it is given.

    Raises:
        CheckpointError: the folder cannot be written; a model that it should have replaced is as it was.
    """
    folder = catalog.root / spec.name
    try:
        catalog.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=catalog.root, prefix=_DRAFT) as drafts:
            draft = Path(drafts, spec.name)
            draft.mkdir()
            write_state_dict(tensors, draft / spec.weights_file, eight_bit=eight_bit)
            spec = replace(spec, weights_sha256=sha256_of(draft / spec.weights_file))
            (draft / SPEC_FILE).write_text(spec.to_json(), encoding="utf-8")
            if describe:
                describe(draft)
            replace_folder(draft, folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return spec


def _unwritable(folder: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{folder} cannot be written: {error}.", hint="Check disk space and permissions.")
