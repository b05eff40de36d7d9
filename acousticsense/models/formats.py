"""Files that people take for weights: which of a folder's it is, what they are, and how to make weights of them."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import Final

#: File name suffixes that are taken for weights.
WEIGHTS_SUFFIXES: Final = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".bin"})

#: How ccmusic-database/music_genre calls the weights in each of its folders.
UPSTREAM_FILE: Final = "save.pt"
#: Of several weights in a folder, the ones that its other files are versions of.
_PREFERRED: Final = (UPSTREAM_FILE, "model.safetensors")

_HEAD_BYTES: Final = 512
_SAVE: Final = 'torch.save(network.state_dict(), "weights.pt")'
_KERAS: Final = f"Weights of Keras fit no PyTorch network as they are; train or convert to PyTorch, then {_SAVE}."
_ARCHIVE: Final = "Unpack it and name the file with the weights."
_PAGE: Final = 'Download the file itself; on Hugging Face its address has "/resolve/", not "/blob/".'

#: Offset and bytes there -> what the file is, and the way out.
_MAGIC: Final = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the weights", "Run: git lfs pull"),
    (0, b"GGUF", "a GGUF file of llama.cpp", "Ask for the weights that it was made from, as safetensors."),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes (.h5)", _KERAS),
    (4, b"TFL3", "a TensorFlow Lite model", f"Ask for the network that it was made from: {_SAVE}."),
    (0, b"\x93NUMPY", "a single NumPy array", "Save all arrays by name with safetensors.numpy.save_file."),
    (0, b"\x1f\x8b", "a gzip archive", _ARCHIVE),
    (0, b"BZh", "a bzip2 archive", _ARCHIVE),
    (0, b"\xfd7zXZ\0", "an xz archive", _ARCHIVE),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive", _ARCHIVE),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _ARCHIVE),
    (0, b"Rar!", "a RAR archive", _ARCHIVE),
    (257, b"ustar", "a tar archive", _ARCHIVE),
)
_ONNX: Final = (
    "an ONNX graph",
    f"Ask for the PyTorch network that it was exported from: {_SAVE}.",
)
#: Protobuf: field 1 is a version number, and field 2, 3, 7 or 8 follows.
_PROTOBUF: Final = re.compile(rb"\x08([\x01-\x1f])[\x12\x1a\x3a\x42]")

#: Names in a zip -> what it is, and the way out; the first that fits counts.
_ZIPPED: Final = (
    (
        r"[^/]+/(code/.*|constants\.pkl)",
        "a TorchScript program",
        'Take its weights out: torch.save(torch.jit.load("file.pt").state_dict(), "weights.pt")',
    ),
    (
        r"(.*/)?(archive_format|serialized_exported_program\.json)",
        "a program of torch.export",
        'Take its weights out: torch.save(torch.export.load("file.pt2").state_dict, "weights.pt")',
    ),
    (r"model\.weights\.h5", "a Keras model", _KERAS),
    (
        r".*\.npy",
        "a NumPy archive (.npz)",
        'Rewrite it: safetensors.numpy.save_file(dict(numpy.load("file.npz")), "weights.safetensors")',
    ),
)


def choose_weights(names: Collection[str]) -> str | None:
    """The weights among the files of a folder that has no description: upstream's, ours, or the only ones there are."""
    preferred = [name for name in _PREFERRED if name in names]
    candidates = [name for name in names if PurePosixPath(name).suffix in WEIGHTS_SUFFIXES]
    return next(iter(preferred or (candidates if len(candidates) == 1 else [])), None)


def foreign_format(path: Path) -> tuple[str, str] | None:
    """What a file is by its content, and the way out; None when it may be safetensors or of torch.save.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    if not start:
        return "an empty file", "Copy or download it again."
    for offset, magic, what, way_out in _MAGIC:
        if start.startswith(magic, offset):
            return what, way_out
    if found := _PROTOBUF.match(start):
        return _ONNX if found[1] > b"\x02" else ("a TensorFlow graph", _KERAS)
    return _zipped(path) if zipfile.is_zipfile(path) else _text(start)


def _zipped(path: Path) -> tuple[str, str] | None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    for pattern, what, way_out in _ZIPPED:
        if any(re.fullmatch(pattern, name) for name in names):
            return what, way_out
    if any(re.fullmatch(r"(.*/)?data\.pkl", name) for name in names):
        return None
    return f"a zip archive of something else ({', '.join(names[:3]) or 'nothing'})", _ARCHIVE


def _text(start: bytes) -> tuple[str, str] | None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page, such as a download's error or login", _PAGE
    if text.startswith(b"<?xml"):
        return "an XML file", "Name the file with the weights."
    if text.startswith((b"{", b"[")) and start[8:9] != b"{":
        return (
            "a JSON file, such as a description, an index of parts or an error message",
            "Name the file with weights.",
        )
    return None
