from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from acousticsense.errors import (
    AcousticSenseError,
    CheckpointError,
    CorruptCheckpointError,
    DownloadError,
    UnknownModelError,
)
from acousticsense.files import sha256_of
from acousticsense.i18n.refusals import refusal
from acousticsense.models.catalog import DEFAULT_MODEL, Catalog, resolve
from acousticsense.models.genres import CCMUSIC_LABELS, GENRES
from acousticsense.models.load import load_resolved
from acousticsense.models.networks import build_network, skeleton
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.front_end import (
    EFFICIENTAT_MEL,
    NATIVE_MEL,
    UPSTREAM_WINDOWS,
    FrontEnd,
    SpectrogramKind,
    upstream_front_end,
)
from tests.conftest import install
from tests.models.conftest import SMALL, imported, load
from tests.torchvision_networks import logits, state_dict, torchvision_network


class TestCatalog:
    def test_a_folder_that_does_not_exist_is_empty(self, tmp_path: Path) -> None:
        assert Catalog(tmp_path / "none").list() == ()

    def test_a_broken_model_hides_no_other(self, checkpoint: Path, catalog: Catalog) -> None:
        imported(checkpoint, catalog, "good")
        (catalog.root / "bad").mkdir()
        (catalog.root / "bad" / "model.json").write_text("{")
        (catalog.root / ".git").mkdir()
        (catalog.root / "README.md").write_text("not a model")
        bad, good = catalog.list()
        assert (bad.name, bad.spec, good.name, good.error) == ("bad", None, "good", None)
        assert "model.json" in str(bad.error)

    def test_listing_needs_no_pytorch(self, tiny_models: Path) -> None:
        """It takes seconds to import."""
        code = f"""
import sys
from pathlib import Path
from acousticsense.models.catalog import Catalog
print(*(entry.name for entry in Catalog(Path({str(tiny_models)!r})).list()), *({{"torch", "timm"}} & set(sys.modules)))
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == sorted(folder.name for folder in tiny_models.iterdir())

    def test_an_unknown_name_lists_what_there_is(self, checkpoint: Path, catalog: Catalog) -> None:
        with pytest.raises(UnknownModelError, match=r"no model 'x'\. .* holds no model"):
            catalog.spec("x")
        imported(checkpoint, catalog)
        with pytest.raises(UnknownModelError, match=r"no model 'x'\. Installed are: mine\."):
            load(catalog, "x")

    @pytest.mark.parametrize("name", ["../models/mine", "mine/", "", ".", "mine/../mine", "m" * 5000])
    def test_names_are_not_paths(self, name: str, checkpoint: Path, catalog: Catalog) -> None:
        imported(checkpoint, catalog)
        with pytest.raises(UnknownModelError):
            catalog.spec(name)

    def test_weights_that_are_not_the_recorded_ones_are_refused(self, checkpoint: Path, catalog: Catalog) -> None:
        recorded = imported(checkpoint, catalog).weights_sha256
        weights = catalog.root / "mine" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        with pytest.raises(CorruptCheckpointError, match=f"expected SHA-256 {recorded}, found {sha256_of(weights)}"):
            load(catalog, "mine")
        assert isinstance(catalog.verify()[0].error, CorruptCheckpointError)

    def test_verify_is_content_with_a_whole_model(self, checkpoint: Path, catalog: Catalog) -> None:
        imported(checkpoint, catalog)
        (entry,) = catalog.verify()
        assert (entry.name, entry.error) == ("mine", None)

    def test_verify_reads_weights_without_a_recorded_hash_too(self, upstreams: nn.Module, catalog: Catalog) -> None:
        folder = catalog.root / "mobilenet_v3_small_mel"
        folder.mkdir(parents=True)
        torch.save(state_dict(upstreams), folder / "save.pt")
        assert catalog.verify()[0].error is None
        (folder / "save.pt").write_bytes((folder / "save.pt").read_bytes()[:5000])
        assert isinstance(catalog.verify()[0].error, CorruptCheckpointError)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"weights_file": "../secret.safetensors"}, "names weights outside its folder"),
            ({"weights_file": "gone.safetensors"}, "lacks its weights gone.safetensors"),
            ({"architecture": "no_such_network"}, "no network architecture called"),
            ({"head": [8]}, r"hidden layers \[8\]"),
            ({"labels": ["A", "B"]}, "Expected 2 classes, the file has 3"),
            ({"architecture": "resnet50"}, "does not fit resnet50"),
        ],
    )
    def test_a_description_that_does_not_fit_is_refused(
        self, change: dict[str, object], told: str, checkpoint: Path, catalog: Catalog
    ) -> None:
        imported(checkpoint, catalog)
        file = catalog.root / "mine" / "model.json"
        file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | change))
        with pytest.raises(CheckpointError, match=told):
            load(catalog, "mine")

    @pytest.mark.parametrize(
        ("architecture", "front_end", "model_args", "complaint"),
        [
            ("musicnn", NATIVE_MEL, {}, "wrong cannot read 3x224x224 values: "),
            ("resnet18", EFFICIENTAT_MEL, {}, "wrong cannot read 1x128x1000 values: .*expected input"),
            ("vgg11", replace(NATIVE_MEL, image_size=16), {}, "wrong cannot read 3x16x16 values: "),
            (
                "vit_tiny_patch16_224",
                NATIVE_MEL,
                {"global_pool": "", "depth": 1},
                "wrong answers 3x224x224 values with 1x197x16 numbers, not 1x16",
            ),
        ],
    )
    def test_a_description_that_does_not_suit_its_network_is_refused_when_it_is_loaded(
        self, architecture: str, front_end: FrontEnd, model_args: dict[str, Any], complaint: str, tmp_path: Path
    ) -> None:
        wrong = ModelSpec(
            name="wrong", architecture=architecture, model_args=model_args, labels=GENRES, front_end=front_end
        )
        install(tmp_path, wrong, seed=0)
        with pytest.raises(CheckpointError, match=complaint) as caught:
            load_resolved(Catalog(tmp_path).find("wrong"))
        assert "\n" not in caught.value.message
        assert refusal(caught.value.message, "zh")

    def test_a_folder_without_weights_says_what_it_wants(self, catalog: Catalog) -> None:
        (catalog.root / "empty").mkdir(parents=True)
        with pytest.raises(CheckpointError, match=r"neither model\.json nor weights"):
            catalog.spec("empty")

    def test_of_several_weights_those_are_taken_that_a_hub_would_give(
        self, checkpoint: Path, catalog: Catalog, tmp_path: Path
    ) -> None:
        folder = tmp_path / "mobilenet_v3_small_mel"
        folder.mkdir()
        for name in ("first.pth", "second.pth"):
            shutil.copy(checkpoint, folder / name)
        with pytest.raises(CheckpointError, match="several weights") as refused:
            resolve(str(folder), catalog, cache_dir=tmp_path)
        assert refused.value.hint == "Name one of them: first.pth, second.pth."
        shutil.copy(checkpoint, folder / "save.pt")
        assert resolve(str(folder), catalog, cache_dir=tmp_path).weights == folder / "save.pt"

    def test_the_not_music_output_counts(self, tiny_models: Path) -> None:
        network, spec = load(Catalog(tiny_models), "tiny")
        assert spec.n_outputs == 17
        assert logits(network, 224).shape == (2, 17)


class TestUpstreamFolders:
    @pytest.mark.parametrize(
        ("folder", "kind"),
        [
            ("mobilenet_v3_small_mel", "mel"),
            ("mobilenet_v3_small_cqt", "cqt"),
            ("mobilenet_v3_small_chroma", "chroma"),
            ("mobilenet_v3_small_mel_16cls_2024-01-10_22-44-40", "mel"),
        ],
    )
    def test_the_folders_name_says_it_all(
        self, folder: str, kind: SpectrogramKind, upstreams: nn.Module, catalog: Catalog
    ) -> None:
        (catalog.root / folder).mkdir(parents=True)
        torch.save(state_dict(upstreams), catalog.root / folder / "save.pt")
        network, spec = load(catalog, folder)
        assert (spec.name, spec.architecture, spec.head) == (folder, SMALL, (232, 95, 39))
        assert (spec.labels, spec.windows) == (CCMUSIC_LABELS, UPSTREAM_WINDOWS)
        assert spec.front_end == upstream_front_end(kind)
        assert (logits(network, 224) - logits(upstreams, 224)).abs().max() < 1e-4

    def test_inception_gets_images_of_299_pixels(self, catalog: Catalog) -> None:
        folder = catalog.root / "inception_v3_mel"
        folder.mkdir(parents=True)
        torch.save(state_dict(build_network("inception_v3", 16)), folder / "save.pt")
        assert catalog.spec("inception_v3_mel").front_end == upstream_front_end("mel", image_size=299)

    def test_another_class_count_gets_numbered_labels(self, catalog: Catalog) -> None:
        folder = catalog.root / "mobilenet_v3_small_mel_3cls"
        folder.mkdir(parents=True)
        torch.save(state_dict(torchvision_network("mobilenet_v3_small", n_outputs=3)), folder / "save.pt")
        assert catalog.spec(folder.name).labels == ("class_0", "class_1", "class_2")

    def test_an_architecture_of_timm_in_the_name_helps_too(self, catalog: Catalog) -> None:
        folder = catalog.root / "resnet18_cqt"
        folder.mkdir(parents=True)
        torch.save(state_dict(build_network("resnet18", 16)), folder / "save.pt")
        spec = load(catalog, "resnet18_cqt")[1]
        assert (spec.architecture, spec.front_end.kind, spec.labels) == ("resnet18", "cqt", CCMUSIC_LABELS)

    def test_so_does_one_of_ours(self, catalog: Catalog) -> None:
        folder = catalog.root / "vgg19_bn_slim_mel_16cls"
        folder.mkdir(parents=True)
        torch.save(state_dict(skeleton("vgg19_bn_slim", 16).to_empty(device="cpu")), folder / "save.pt")
        assert catalog.spec(folder.name).architecture == "vgg19_bn_slim"

    def test_a_checkpoint_in_circles_hides_no_other(self, checkpoint: Path, catalog: Catalog) -> None:
        imported(checkpoint, catalog, "good")
        circle: dict[str, Any] = {}
        circle["state_dict"] = circle
        (catalog.root / "bad").mkdir()
        torch.save(circle, catalog.root / "bad" / "save.pt")
        bad, good = catalog.list()
        assert good.error is None
        assert "contains itself" in str(bad.error)

    def test_tensors_have_the_last_word(self, upstreams: nn.Module, catalog: Catalog) -> None:
        folder = catalog.root / "vgg19_bn_mel"
        folder.mkdir(parents=True)
        torch.save(state_dict(upstreams), folder / "save.pt")
        assert catalog.spec("vgg19_bn_mel").architecture == SMALL


class TestResolve:
    def test_none_is_the_default_model(self, checkpoint: Path, catalog: Catalog, tmp_path: Path) -> None:
        imported(checkpoint, catalog, DEFAULT_MODEL)
        assert resolve(None, catalog, cache_dir=tmp_path).spec.name == DEFAULT_MODEL

    def test_a_name_wins_over_a_path(
        self, checkpoint: Path, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        imported(checkpoint, catalog, "mine")
        (tmp_path / "here" / "mine").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "here")
        assert resolve("mine", catalog, cache_dir=tmp_path).weights.parent == catalog.root / "mine"

    def test_a_folder_elsewhere(self, checkpoint: Path, catalog: Catalog, tmp_path: Path) -> None:
        imported(checkpoint, catalog)
        found = resolve(catalog.root / "mine", Catalog(tmp_path / "other"), cache_dir=tmp_path)
        assert found.spec.labels == ("A", "B", "C")

    def test_the_weights_of_a_described_folder_are_that_model(
        self, checkpoint: Path, catalog: Catalog, tmp_path: Path
    ) -> None:
        imported(checkpoint, catalog)
        found = resolve(str(catalog.root / "mine" / "model.safetensors"), catalog, cache_dir=tmp_path)
        assert (found.spec.name, found.spec.labels) == ("mine", ("A", "B", "C"))

    def test_a_bare_file_is_described_by_its_tensors(self, checkpoint: Path, catalog: Catalog, tmp_path: Path) -> None:
        found = resolve(checkpoint, catalog, cache_dir=tmp_path)
        assert (found.spec.name, found.spec.architecture) == ("stranger", SMALL)
        assert found.spec.labels == ("class_0", "class_1", "class_2")
        assert found.spec.front_end == NATIVE_MEL
        network, spec = load_resolved(found)
        assert logits(network, 224).shape == (2, 3)
        assert spec.weights_sha256 == sha256_of(checkpoint)

    def test_a_bare_file_of_sixteen_classes_has_the_articles_genres(self, catalog: Catalog, tmp_path: Path) -> None:
        torch.save(state_dict(build_network(SMALL, 16)), tmp_path / "mine_cqt.pt")
        spec = resolve(tmp_path / "mine_cqt.pt", catalog, cache_dir=tmp_path).spec
        assert (spec.labels, spec.front_end.kind, spec.front_end.style) == (GENRES, "cqt", "native")

    def test_a_bare_file_is_read_again_when_it_changes(
        self, checkpoint: Path, catalog: Catalog, tmp_path: Path
    ) -> None:
        assert len(resolve(checkpoint, catalog, cache_dir=tmp_path).spec.labels) == 3
        torch.save(build_network(SMALL, 5).state_dict(), checkpoint)
        assert len(resolve(checkpoint, catalog, cache_dir=tmp_path).spec.labels) == 5

    def test_a_bare_file_that_nothing_describes(self, catalog: Catalog, tmp_path: Path) -> None:
        torch.save(state_dict(build_network("resnet18", 16)), tmp_path / "thing.pt")
        with pytest.raises(CheckpointError, match="import-checkpoint FILE --architecture"):
            resolve(tmp_path / "thing.pt", catalog, cache_dir=tmp_path)

    @pytest.mark.parametrize(
        "reference",
        ["nothing", "nothing.pt", "../nothing", "/no/such/folder", Path("nothing.pt"), "n" * 5000, "~nobody/x"],
    )
    def test_nothing_of_that_name(self, reference: str | Path, catalog: Catalog, tmp_path: Path) -> None:
        with pytest.raises(UnknownModelError, match="There is no model"):
            resolve(reference, catalog, cache_dir=tmp_path)

    def test_a_malformed_hub_id(self, catalog: Catalog, tmp_path: Path) -> None:
        with pytest.raises(DownloadError, match="not a model on a hub"):
            resolve("hf:nobody", catalog, cache_dir=tmp_path)

    def test_every_refusal_is_an_error_of_ours(self, catalog: Catalog, tmp_path: Path) -> None:
        (tmp_path / "song.mp3").write_bytes(b"ID3" + bytes(500))
        with pytest.raises(AcousticSenseError):
            resolve(tmp_path / "song.mp3", catalog, cache_dir=tmp_path)
