from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from acousticsense.errors import CorruptCheckpointError
from acousticsense.models.weights import read_state_dict


def _script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)  # type: ignore[no-untyped-call]


def _npz(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, weight=np.ones(3))


def _zip(*names: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return write


def _tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, arcname="weights.pt")


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "TorchScript": (_script, r"TorchScript.*torch\.jit\.load"),
    "npz": (_npz, r"NumPy archive \(\.npz\).*save_file"),
    "Keras 3": (_zip("metadata.json", "config.json", "model.weights.h5"), "Keras"),
    "another zip": (_zip("word/document.xml"), r"zip archive of something else \(word/document\.xml\).*Unpack"),
    "tar": (_tar, "tar archive.*Unpack"),
    "gzip": (_bytes(gzip.compress(b"weights")), "gzip archive.*Unpack"),
    "ONNX": (_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.1.0:" + bytes(200)), "ONNX"),
    "GGUF": (_bytes(b"GGUF\x03\0\0\0" + bytes(100)), "GGUF"),
    "HDF5": (_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100)), "HDF5.*Keras"),
    "TFLite": (_bytes(b"\x1c\0\0\0TFL3" + bytes(100)), "TensorFlow Lite"),
    "web page": (_bytes(b"\n<!DOCTYPE html><title>404</title>" + bytes(20)), "web page.*resolve"),
    "LFS": (_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), "Git LFS pointer.*git lfs pull"),
    "JSON": (_bytes(b'{"error": "Repository not found"}'), "JSON file"),
    "nothing": (_bytes(b""), "empty file"),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_no_weights_file_is_called_what_it_is_with_the_way_out(kind: str, tmp_path: Path) -> None:
    write, told = FILES[kind]
    write(tmp_path / "model.pt")
    with pytest.raises(CorruptCheckpointError, match=rf"model\.pt is not a weights file.*{told}"):
        read_state_dict(tmp_path / "model.pt")
