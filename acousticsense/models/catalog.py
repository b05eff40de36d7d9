"""The `models/` folder as a list of models, and everything else that can name one: a folder, a file, a hub id."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, cast

import timm
import torch
from torch import Tensor, nn

from acousticsense.errors import (
    AcousticSenseError,
    CheckpointError,
    CorruptCheckpointError,
    RequestError,
    UnknownModelError,
    quoted,
)
from acousticsense.models.checkpoint import (
    CheckpointReport,
    fits,
    infer_architecture,
    load_network,
    read_head,
    read_state_dict,
    sha256_of,
    write_state_dict,
)
from acousticsense.models.genres import CCMUSIC_LABELS, GENRES
from acousticsense.models.hub import WEIGHTS_SUFFIXES, fetch, is_hub_reference
from acousticsense.models.networks import OWN_ARCHITECTURES, UPSTREAM_ARCHITECTURES, input_size, timm_name
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import (
    NATIVE_CQT,
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    upstream_front_end,
)

__all__ = [
    "DEFAULT_MODEL",
    "Catalog",
    "CatalogEntry",
    "ResolvedModel",
    "check_answers",
    "import_checkpoint",
    "load_resolved",
    "resolve",
]

logger = logging.getLogger(__name__)

#: The model that answers when none is named.
DEFAULT_MODEL: Final = "vit_b_16_mel"

_SPEC_FILE: Final = "model.json"

#: How the folders are named in which a model is put together.
_DRAFT: Final = ".importing-"
_UPSTREAM_FILE: Final = "save.pt"
_SAFE_NAME: Final = re.compile(r"\w[\w.+-]{0,99}")
#: Upstream's folder names: architecture, spectrogram, and in older revisions class count and date.
_UPSTREAM_NAME: Final = re.compile(r"(?P<architecture>\w+?)_(?:mel|cqt|chroma)(?:_.*)?")
_KIND: Final = re.compile(r"(?:^|[_-])(mel|cqt|chroma)(?:$|[_-])")


@dataclass(frozen=True)
class CatalogEntry:
    """One folder of the catalogue: its description, or why it cannot be used."""

    name: str
    spec: ModelSpec | None
    error: AcousticSenseError | None = None


@dataclass(frozen=True)
class ResolvedModel:
    """A model that was found: its description, and where its weights lie."""

    spec: ModelSpec
    weights: Path


class Catalog:
    """The models in a folder, one subfolder each.

    Args:
        root: the folder; it need not exist yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> tuple[str, ...]:
        """Names of all subfolders that may be models, in alphabetical order."""
        if not self.root.is_dir():
            return ()
        return tuple(sorted(path.name for path in self.root.iterdir() if path.is_dir() and _is_safe(path.name)))

    def list(self) -> tuple[CatalogEntry, ...]:
        """Every model; a broken one carries its error and hides no other."""
        entries = []
        for name in self.names():
            try:
                entries.append(CatalogEntry(name, self.spec(name)))
            except AcousticSenseError as error:
                entries.append(CatalogEntry(name, None, error))
        return tuple(entries)

    def spec(self, name: str) -> ModelSpec:
        """The description of an installed model.

        Raises:
            UnknownModelError: there is no such model; those that there are get listed.
            CheckpointError: its folder is not in order.
        """
        return self.find(name).spec

    def find(self, name: str) -> ResolvedModel:
        """Description and weights of an installed model; raises like `spec`."""
        if not _is_safe(name) or not (self.root / name).is_dir():
            raise UnknownModelError(f"There is no model {quoted(name)}.", hint=self._installed())
        return _from_folder(self.root / name)

    def verify(self) -> tuple[CatalogEntry, ...]:
        """Every model with its weights read and checked against their hash; `error` is None where all is well."""
        return tuple(_verified(self, entry) for entry in self.list())

    def check_new(self, name: str, labels: tuple[str, ...], *, overwrite: bool = False) -> None:
        """Checks that a model of that name and with these labels can be installed.

        Raises:
            RequestError: the name cannot be a folder's, is taken (with `overwrite`, by anything but a model), or labels
                repeat.
            CheckpointError: the folder cannot be written.
        """
        if not _is_safe(name):
            raise RequestError(
                f"{quoted(name)} cannot be the name of a model.",
                hint="Use letters, digits, '_', '-', '.' and '+'; no folders.",
            )
        if repeated := sorted({label for label in labels if labels.count(label) > 1}):
            raise RequestError(f"Labels are repeated: {', '.join(repeated)}.")
        folder = self.root / name
        try:
            is_there, is_model = os.path.lexists(folder), (folder / _SPEC_FILE).is_file()
            self._try_writing()
        except OSError as error:
            raise _unwritable(folder, error) from error
        if is_there and not is_model:
            raise RequestError(f"{folder} is there already, and no model.", hint="Choose another name.")
        if is_there and not overwrite:
            raise RequestError(
                f"There is a model {quoted(name)} already.", hint="Choose another name, or remove its folder."
            )

    def _try_writing(self) -> None:
        """Makes a folder where `install` will, or in the nearest folder above that is there, and removes it."""
        parent = next(parent for parent in (self.root, *self.root.absolute().parents) if parent.exists())
        with tempfile.TemporaryDirectory(dir=parent, prefix=_DRAFT):
            pass

    def install(
        self,
        tensors: Mapping[str, Tensor],
        spec: ModelSpec,
        *,
        eight_bit: Collection[str] = (),
        describe: Callable[[Path], None] | None = None,
    ) -> ModelSpec:
        """Makes the folder of a model, which appears whole or not at all and replaces one of its name.

        Args:
            tensors: the weights.
            spec: the description; the hash of the weights is filled in.
            eight_bit: names of tensors to store in 8 bits.
            describe: writes whatever else belongs into the folder that it is given.

        Raises:
            CheckpointError: the folder cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.root, prefix=_DRAFT) as draft:
                folder = Path(draft, spec.name)
                folder.mkdir()
                write_state_dict(tensors, folder / spec.weights_file, eight_bit=eight_bit)
                spec = replace(spec, weights_sha256=sha256_of(folder / spec.weights_file))
                (folder / _SPEC_FILE).write_text(spec.to_json(), encoding="utf-8")
                if describe:
                    describe(folder)
                if (self.root / spec.name).exists():
                    shutil.move(self.root / spec.name, Path(draft, "replaced"))
                folder.rename(self.root / spec.name)
        except OSError as error:
            raise _unwritable(self.root / spec.name, error) from error
        return spec

    def _installed(self) -> str:
        names = ", ".join(self.names())
        if names:
            return f"Installed are: {names}."
        return f"{self.root} holds no model. Copy the project's folder models/ there, or set ACOUSTICSENSE_MODELS."


def _unwritable(folder: Path, error: OSError) -> CheckpointError:
    return CheckpointError(f"{folder} cannot be written: {error}.", hint="Check disk space and permissions.")


def _verified(catalog: Catalog, entry: CatalogEntry) -> CatalogEntry:
    if entry.spec is None:
        return entry
    try:
        found = catalog.find(entry.name)
        _check_hash(found)
        read_state_dict(found.weights)
    except AcousticSenseError as error:
        return replace(entry, error=error)
    return entry


def resolve(reference: str | Path | None, catalog: Catalog, *, cache_dir: Path) -> ResolvedModel:
    """Finds the model that a user means.

    Args:
        reference: a name in the catalogue, a folder, a weights file, or a hub id ("hf:owner/repo/folder", "ms:...");
            None is `DEFAULT_MODEL`. A name wins over a path.
        catalog: installed models.
        cache_dir: where models of a hub are kept.

    Raises:
        UnknownModelError: nothing of that name anywhere.
        CheckpointError: found, but its folder is not in order or it cannot be told what network it is.
        DownloadError: a hub did not deliver.
    """
    text = DEFAULT_MODEL if reference is None else str(reference)
    if is_hub_reference(text):
        found = _from_path(fetch(text, cache_dir=cache_dir))
        provenance = f"fetched from {text}; {found.spec.provenance}"
        return replace(found, spec=replace(found.spec, provenance=provenance))
    if isinstance(reference, Path) or text not in catalog.names():
        path = _existing(text)
        if path is not None:
            return _from_path(path)
    return catalog.find(text)


def _existing(text: str) -> Path | None:
    """The path of that name, if there is one; names too long or odd for the file system name nothing."""
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):
        return None


def load_resolved(found: ResolvedModel) -> tuple[nn.Module, ModelSpec]:
    """The network of a model that was found, and its description with the hash of the weights filled in.

    Raises:
        CorruptCheckpointError: the weights are not the recorded ones, or are damaged.
        CheckpointError: the weights do not fit.
    """
    spec = replace(found.spec, weights_sha256=_check_hash(found))
    network, _ = load_network(
        found.weights,
        architecture=spec.architecture,
        model_args=spec.model_args,
        n_outputs=spec.n_outputs,
        head=spec.head,
        image_size=spec.front_end.image_size,
    )
    return network, spec


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
        catalog: where to make it.
        style: how that image was drawn; None takes upstream's figure for chroma, for upstream's labels and for
            upstream's MLP head, and grey levels otherwise.
        overwrite: replace a model of that name.

    Raises:
        RequestError: the name cannot be a folder's, is taken, or labels repeat.
        IncompatibleCheckpointError: the weights do not fit the network, or the labels do not fit its outputs.
        CheckpointError: the file cannot be used, or the folder cannot be written.
    """
    labels = tuple(labels)
    catalog.check_new(name, labels, overwrite=overwrite)
    if timm_name(architecture) in OWN_ARCHITECTURES and (spectrogram != "mel" or style == "figure"):
        raise RequestError(f"{architecture} is fed its own mel spectrogram.", hint="Choose mel, and no style.")
    if spectrogram == "chroma" and style == "native":
        raise RequestError("chroma images are drawn as figures only.", hint="Choose mel or cqt, or the figure style.")
    network_name = timm_name(architecture)
    network, report = load_network(
        file, architecture=network_name, n_outputs=len(labels), image_size=input_size(network_name)
    )
    front_end = _front_end(spectrogram, network_name, figure=False)
    check_answers(network, front_end.input_shape(NATIVE_WINDOWS))
    if style is None:
        upstreams = spectrogram == "chroma" or labels == CCMUSIC_LABELS or bool(report.head)
        style = "figure" if upstreams else "native"
    spec = ModelSpec(
        name=name,
        architecture=network_name,
        labels=labels,
        head=report.head,
        front_end=_front_end(spectrogram, network_name, figure=style == "figure"),
        windows=UPSTREAM_WINDOWS if style == "figure" else NATIVE_WINDOWS,
        provenance=f"imported from {file.name}, SHA-256 {sha256_of(file)}",
    )
    catalog.install(network.state_dict(), spec)
    return report


@torch.inference_mode()
def check_answers(network: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """Asks a network about one input of noise (channels, rows, columns), before anybody asks it about music.

    Raises:
        CorruptCheckpointError: it answers with numbers that are not finite, as finite weights can make it do (a
            variance below zero is enough).
    """
    noise = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0)) - 0.5
    if not bool(torch.isfinite(network.eval()(noise)).all()):
        raise CorruptCheckpointError(
            "With these weights the network answers with numbers that are not finite.", hint="Export them again."
        )


def _is_safe(name: str) -> bool:
    """Whether a name is a plain folder name: no separators, no leading dot."""
    return _SAFE_NAME.fullmatch(name) is not None


def _from_path(path: Path) -> ResolvedModel:
    path = path.resolve()
    if path.is_dir():
        return _from_folder(path)
    described = path.parent / _SPEC_FILE
    if described.is_file():
        found = _from_folder(path.parent)
        if found.weights == path:
            return found
    return _from_file(path)


def _from_folder(folder: Path) -> ResolvedModel:
    """A folder with `model.json`, or with nothing but weights, which its name describes."""
    if (folder / _SPEC_FILE).is_file():
        spec = ModelSpec.read(folder / _SPEC_FILE)
        if Path(spec.weights_file).name != spec.weights_file:
            raise CheckpointError(f"{folder / _SPEC_FILE} names weights outside its folder: {spec.weights_file!r}.")
        weights = folder / spec.weights_file
        if not weights.is_file():
            raise CheckpointError(f"{folder} lacks its weights {spec.weights_file}.", hint="Copy or download it again.")
        return ResolvedModel(spec, weights)
    files = [path for path in sorted(folder.iterdir()) if path.suffix in WEIGHTS_SUFFIXES and path.is_file()]
    weights_found = next((path for path in files if path.name == _UPSTREAM_FILE), files[0] if len(files) == 1 else None)
    if weights_found is None:
        found = ", ".join(path.name for path in files) or "none"
        raise CheckpointError(
            f"{folder} is not a model: expected {_SPEC_FILE}, or {_UPSTREAM_FILE} alone; weights found: {found}."
        )
    found_file = _from_file(weights_found)
    return replace(found_file, spec=replace(found_file.spec, name=folder.name))


def _from_file(path: Path) -> ResolvedModel:
    """Describes bare weights by their tensors and by the names of file and folder."""
    status = path.stat()
    return _described(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _described(path: Path, _mtime_ns: int, _size: int) -> ResolvedModel:
    """`_from_file`, remembered until the file changes, since listing a catalogue asks again and again."""
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
    spec = ModelSpec(
        name=path.parent.name if path.name == _UPSTREAM_FILE else path.stem,
        architecture=network_name,
        labels=_labels(head.n_outputs, figure=figure),
        head=head.hidden,
        front_end=_front_end(_named_kind(path), network_name, figure=figure),
        windows=UPSTREAM_WINDOWS if figure else NATIVE_WINDOWS,
        weights_file=path.name,
        provenance=f"{path.name} without a description: labels and image follow from its shape and name",
    )
    return ResolvedModel(spec, path)


def _named_architecture(path: Path) -> str | None:
    """Reads upstream's naming: "vgg19_bn_mel_16cls_2024-01-10_22-44-40" is vgg19_bn."""
    for name in (path.stem, path.parent.name):
        match = _UPSTREAM_NAME.fullmatch(name)
        if match and (match["architecture"] in UPSTREAM_ARCHITECTURES or timm.is_model(match["architecture"])):
            return match["architecture"]
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


def _front_end(kind: SpectrogramKind, architecture: str, *, figure: bool) -> FrontEnd:
    if architecture in OWN_ARCHITECTURES:
        return OWN_ARCHITECTURES[architecture].front_end
    size = input_size(architecture)
    if figure:
        return upstream_front_end(kind, image_size=size)
    return replace(NATIVE_CQT if kind == "cqt" else NATIVE_MEL, image_size=size)


def _check_hash(found: ResolvedModel) -> str:
    """SHA-256 of the weights, which must be the recorded one where one is."""
    sha256, recorded = sha256_of(found.weights), found.spec.weights_sha256
    if recorded and sha256 != recorded:
        raise CorruptCheckpointError(
            f"{found.weights} is not the recorded file: expected SHA-256 {recorded}, found {sha256}.",
            hint="Copy or download the model again.",
        )
    return sha256
