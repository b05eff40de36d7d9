from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from acousticsense.errors import (
    CheckpointError,
    CorruptCheckpointError,
    IncompatibleCheckpointError,
    RequestError,
)
from acousticsense.files import sha256_of
from acousticsense.models.catalog import Catalog
from acousticsense.models.genres import GENRES
from acousticsense.models.importer import import_checkpoint, install
from acousticsense.models.networks import build_network
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import (
    NATIVE_MEL,
    NATIVE_WINDOWS,
    UPSTREAM_WINDOWS,
    upstream_front_end,
)
from tests.models.conftest import SMALL, imported, load
from tests.torchvision_networks import logits, state_dict


class TestImport:
    def test_makes_a_folder_that_loads_with_the_same_logits(self, checkpoint: Path, catalog: Catalog) -> None:
        report = import_checkpoint(
            checkpoint, architecture=SMALL, spectrogram="mel", labels=("A", "B", "C"), name="mine", catalog=catalog
        )
        network, spec = load(catalog, "mine")
        torch.manual_seed(0)
        assert torch.equal(logits(network, 224), logits(build_network(SMALL, 3), 224))
        assert (report.n_outputs, spec.labels, spec.architecture) == (3, ("A", "B", "C"), SMALL)
        assert sorted(path.name for path in (catalog.root / "mine").iterdir()) == ["model.json", "model.safetensors"]
        assert [path.name for path in catalog.root.iterdir()] == ["mine"]

    def test_records_hash_and_provenance(self, checkpoint: Path, catalog: Catalog) -> None:
        spec = imported(checkpoint, catalog)
        assert spec.weights_sha256 == sha256_of(catalog.root / "mine" / "model.safetensors")
        assert spec.provenance == f"imported from stranger.pth, SHA-256 {sha256_of(checkpoint)}"

    def test_a_torchvision_name_is_as_good_as_timms(self, checkpoint: Path, catalog: Catalog) -> None:
        assert imported(checkpoint, catalog, architecture="mobilenet_v3_small").architecture == SMALL

    def test_a_strangers_image_is_grey_levels(self, checkpoint: Path, catalog: Catalog) -> None:
        spec = imported(checkpoint, catalog)
        assert (spec.front_end, spec.windows) == (NATIVE_MEL, NATIVE_WINDOWS)

    def test_the_image_can_be_said(self, checkpoint: Path, catalog: Catalog) -> None:
        assert imported(checkpoint, catalog, spectrogram="cqt").front_end.kind == "cqt"
        spec = imported(checkpoint, catalog, "other", spectrogram="cqt", style="figure")
        assert (spec.front_end, spec.windows) == (upstream_front_end("cqt"), UPSTREAM_WINDOWS)

    def test_chroma_is_upstreams_image(self, checkpoint: Path, catalog: Catalog) -> None:
        assert imported(checkpoint, catalog, spectrogram="chroma").front_end == upstream_front_end("chroma")
        with pytest.raises(RequestError, match="chroma images are drawn as figures only"):
            imported(checkpoint, catalog, "other", spectrogram="chroma", style="native")

    def test_upstreams_head_brings_upstreams_image(
        self, upstreams: nn.Module, tmp_path: Path, catalog: Catalog
    ) -> None:
        torch.save(state_dict(upstreams), tmp_path / "save.pt")
        spec = imported(tmp_path / "save.pt", catalog, labels=GENRES)
        assert (spec.front_end, spec.head) == (upstream_front_end("mel"), (232, 95, 39))
        assert (logits(load(catalog, "mine")[0], 224) - logits(upstreams, 224)).abs().max() < 1e-4

    def test_too_few_labels_are_refused_with_both_numbers(self, checkpoint: Path, catalog: Catalog) -> None:
        with pytest.raises(IncompatibleCheckpointError, match="Expected 2 classes, the file has 3"):
            imported(checkpoint, catalog, labels=("A", "B"))
        assert catalog.list() == ()

    def test_repeated_labels_are_refused(self, checkpoint: Path, catalog: Catalog) -> None:
        with pytest.raises(RequestError, match="Labels are repeated: A"):
            imported(checkpoint, catalog, labels=("A", "A", "B"))

    @pytest.mark.parametrize("name", ["../up", "a/b", "", ".", "..", ".hidden", "a\\b", "/tmp/x", "a b", "nul\0"])
    def test_unsafe_names_are_refused(self, name: str, checkpoint: Path, catalog: Catalog) -> None:
        with pytest.raises(RequestError, match="cannot be the name of a model"):
            imported(checkpoint, catalog, name)

    def test_what_is_no_model_is_never_replaced(self, checkpoint: Path, catalog: Catalog) -> None:
        music = catalog.root / "mine" / "Rock" / "song.mp3"
        music.parent.mkdir(parents=True)
        music.write_bytes(b"music")
        with pytest.raises(RequestError, match="mine is there already, and no model"):
            imported(checkpoint, catalog, overwrite=True)
        assert music.read_bytes() == b"music"

    def test_a_network_that_cannot_answer_is_refused(self, tmp_path: Path, catalog: Catalog) -> None:
        tensors = dict(build_network(SMALL, 3).state_dict())
        tensors["bn1.running_var"] = torch.full_like(tensors["bn1.running_var"], -1.0)
        torch.save(tensors, tmp_path / "negative.pth")
        with pytest.raises(CorruptCheckpointError, match="not finite"):
            imported(tmp_path / "negative.pth", catalog)
        assert catalog.list() == ()

    def test_a_model_is_replaced_only_when_told_to(self, checkpoint: Path, catalog: Catalog) -> None:
        imported(checkpoint, catalog)
        with pytest.raises(RequestError, match="There is a model 'mine' already"):
            imported(checkpoint, catalog)
        assert imported(checkpoint, catalog, labels=("X", "Y", "Z"), overwrite=True).labels == ("X", "Y", "Z")
        assert [path.name for path in catalog.root.iterdir()] == ["mine"]

    def test_a_folder_that_cannot_be_written(self, checkpoint: Path, tmp_path: Path) -> None:
        (tmp_path / "occupied").write_text("a file")
        with pytest.raises(CheckpointError, match="cannot be written"):
            imported(checkpoint, Catalog(tmp_path / "occupied"))

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_failure_at_the_last_step_leaves_the_old_model_whole(
        self, overwrite: bool, checkpoint: Path, catalog: Catalog
    ) -> None:
        """The draft vanishes, as cleaners of temporary folders make it."""
        if overwrite:
            imported(checkpoint, catalog)
        network, spec = build_network(SMALL, 3), ModelSpec(name="mine", architecture=SMALL, labels=("X", "Y", "Z"))
        with pytest.raises(CheckpointError, match="mine cannot be written"):
            install(catalog, network.state_dict(), spec, describe=shutil.rmtree)
        if overwrite:
            assert load(catalog, "mine")[1].labels == ("A", "B", "C")
        assert [path.name for path in catalog.root.iterdir()] == (["mine"] if overwrite else [])
