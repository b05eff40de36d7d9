"""The `models/` folder as a list of models, and everything else that can name one: a folder, a file, a hub id.

PyTorch and timm take seconds to import: what needs them imports them where it does, so that listing is quick.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from acousticsense.errors import (
    AcousticSenseError,
    CheckpointError,
    CorruptCheckpointError,
    UnknownModelError,
    quoted,
)
from acousticsense.files import sha256_of
from acousticsense.models.formats import WEIGHTS_SUFFIXES, choose_weights
from acousticsense.models.hub import fetch, is_hub_reference
from acousticsense.models.spec import SPEC_FILE, ModelSpec

#: The model that answers when none is named.
DEFAULT_MODEL: Final = "efficientat_mn04"

_SAFE_NAME: Final = re.compile(r"\w[\w.+-]{0,99}")


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

    def check_hash(self) -> str:
        """SHA-256 of the weights, which must be the recorded one where one is.

        Raises:
            CorruptCheckpointError: they are not the recorded weights.
            CheckpointError: they cannot be read.
        """
        recorded = self.spec.weights_sha256
        try:
            sha256 = sha256_of(self.weights)
        except OSError as error:
            raise CheckpointError(f"{self.weights} cannot be read: {error.strerror}.") from error
        if recorded and sha256 != recorded:
            raise CorruptCheckpointError(
                f"{self.weights} is not the recorded file: expected SHA-256 {recorded}, found {sha256}.",
                hint="Copy or download the model again.",
            )
        return sha256


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
        return tuple(sorted(path.name for path in self.root.iterdir() if path.is_dir() and is_safe_name(path.name)))

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
        if not is_safe_name(name) or not (self.root / name).is_dir():
            raise UnknownModelError(f"There is no model {quoted(name)}.", hint=self._installed())
        return _from_folder(self.root / name)

    def verify(self) -> tuple[CatalogEntry, ...]:
        """Every model with its weights read and checked against their hash; `error` is None where all is well."""
        return tuple(_verified(self, entry) for entry in self.list())

    def _installed(self) -> str:
        names = ", ".join(self.names())
        if names:
            return f"Installed are: {names}."
        return f"{self.root} holds no model. Copy the project's folder models/ there, or set ACOUSTICSENSE_MODELS."


def without_copies(entries: Iterable[CatalogEntry]) -> Iterator[CatalogEntry]:
    """Models without those whose description names the weights of an earlier one; those without one are kept."""
    known: set[str] = set()
    for entry in entries:
        weights = entry.spec.weights_sha256 if entry.spec else ""
        if weights not in known:
            yield entry
        if weights:
            known.add(weights)


def _verified(catalog: Catalog, entry: CatalogEntry) -> CatalogEntry:
    from acousticsense.models.weights import read_state_dict

    if entry.spec is None:
        return entry
    try:
        found = catalog.find(entry.name)
        found.check_hash()
        read_state_dict(found.weights)
    except AcousticSenseError as error:
        return replace(entry, error=error)
    return entry


def resolve(reference: str | Path | None, catalog: Catalog, *, cache_dir: Path) -> ResolvedModel:
    """Finds the model that a user means.

    Args:
        reference: a name in the catalogue, a folder, a weights file, or a hub id ("hf:owner/repo/folder", "ms:...");
            None is `DEFAULT_MODEL`. A name wins over a path.
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
        # the file's folder, or the folder itself; in the cache, its top is named by version
        named = PurePosixPath(text)
        name = named.parent.name if named.suffix in WEIGHTS_SUFFIXES else named.name
        return replace(found, spec=replace(found.spec, name=name, provenance=provenance))
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


def is_safe_name(name: str) -> bool:
    """Whether a name is a plain folder name: no separators, no leading dot."""
    return _SAFE_NAME.fullmatch(name) is not None


def _from_path(path: Path) -> ResolvedModel:
    # a file's own name is kept: in a hub's cache, files are links to names that say nothing
    path = path.resolve() if path.is_dir() else path.parent.resolve() / path.name
    if path.is_dir():
        return _from_folder(path)
    described = path.parent / SPEC_FILE
    if described.is_file():
        found = _from_folder(path.parent)
        if found.weights == path:
            return found
    return _from_file(path)


def _from_folder(folder: Path) -> ResolvedModel:
    """A folder with `model.json`, or with nothing but weights, which its name describes."""
    if (folder / SPEC_FILE).is_file():
        spec = ModelSpec.read(folder / SPEC_FILE)
        if Path(spec.weights_file).name != spec.weights_file:
            raise CheckpointError(f"{folder / SPEC_FILE} names weights outside its folder: {spec.weights_file!r}.")
        weights = folder / spec.weights_file
        if not weights.is_file():
            raise CheckpointError(f"{folder} lacks its weights {spec.weights_file}.", hint="Copy or download it again.")
        return ResolvedModel(spec, weights)
    files = sorted(path.name for path in folder.iterdir() if path.suffix in WEIGHTS_SUFFIXES and path.is_file())
    if (chosen := choose_weights(files)) is None:
        if files:
            raise CheckpointError(f"{folder} holds several weights.", hint=f"Name one of them: {', '.join(files)}.")
        raise CheckpointError(f"{folder} is not a model: it has neither {SPEC_FILE} nor weights.")
    found_file = _from_file(folder / chosen)
    return replace(found_file, spec=replace(found_file.spec, name=folder.name))


def _from_file(path: Path) -> ResolvedModel:
    from acousticsense.models.bare import describe

    return ResolvedModel(describe(path), path)
