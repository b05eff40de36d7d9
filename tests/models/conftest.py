"""A stranger's checkpoint, upstream's network, and a catalog to import them into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from acousticsense.models.catalog import Catalog
from acousticsense.models.importer import import_checkpoint
from acousticsense.models.load import load_resolved
from acousticsense.models.networks import build_network
from acousticsense.models.spec import ModelSpec
from tests.torchvision_networks import torchvision_network

SMALL = "mobilenetv3_small_100"


@pytest.fixture(scope="module")
def upstreams() -> nn.Module:
    """torchvision's mobilenet_v3_small with upstream's head."""
    return torchvision_network("mobilenet_v3_small")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A stranger's checkpoint with three classes."""
    torch.manual_seed(0)
    path = tmp_path / "theirs" / "stranger.pth"
    path.parent.mkdir()
    torch.save({"state_dict": build_network(SMALL, 3).state_dict()}, path)
    return path


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "models")


def load(catalog: Catalog, name: str) -> tuple[nn.Module, ModelSpec]:
    return load_resolved(catalog.find(name))


def imported(checkpoint: Path, catalog: Catalog, name: str = "mine", **options: Any) -> ModelSpec:
    given: dict[str, Any] = {"architecture": SMALL, "spectrogram": "mel", "labels": ("A", "B", "C"), **options}
    import_checkpoint(checkpoint, name=name, catalog=catalog, **given)
    return catalog.spec(name)
