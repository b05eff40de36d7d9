"""Weights files: tensors by name, in safetensors or in PyTorch's own format, read without running what is in them."""

from __future__ import annotations

import pickle
import re
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from acousticsense.errors import CheckpointError, CorruptCheckpointError, UnsafeCheckpointError
from acousticsense.models.formats import foreign_format
from acousticsense.models.nesting import Weights, unwrapped

#: `k` int8 with `k` + this, float32 (out, 1, ...), stands for the float32 tensor k * scale.
_SCALE: Final = ".__scale__"

#: A pickle of protocol 2 to 5.
_PICKLE_STARTS: Final = frozenset({b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"})


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name; see `read_weights`."""
    return read_weights(path).tensors


def read_weights(path: Path) -> Weights:
    """The tensors of a weights file by name, without nesting and wrappers' prefixes.

    Reads safetensors (8-bit ones are restored to float32) and PyTorch files that hold nothing but tensors and plain
    values; the content decides, not the suffix. Tensors may be mapped from the file: copy them before it changes.

    Raises:
        CheckpointError: no such file, or no weights in it.
        UnsafeCheckpointError: reading it would run code.
        CorruptCheckpointError: truncated, or not a weights file.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no weights file {path}.")
    try:
        foreign = foreign_format(path)
        with path.open("rb") as file:
            start = file.read(9)
    except (OSError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    if foreign:
        raise CorruptCheckpointError(
            f"{path} is not a weights file that can be read: it is {foreign[0]}.", hint=foreign[1]
        )
    content: object = _read_safetensors(path) if start[8:] == b"{" else _read_pickle(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors.")
    try:
        found = unwrapped(content, path)
    except RecursionError as error:
        raise CheckpointError(f"{path} holds a dictionary that contains itself, or too many in each other.") from error
    if odd := next((name for name, tensor in found.tensors.items() if not _is_plain(tensor)), None):
        raise CheckpointError(f"{path}: {odd!r} is not a plain array of real numbers, so it cannot be used.")
    return found


class _Inert:
    """Stands for harmless values beside the weights (options, scores, paths); keeps nothing and runs nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...


#: What training scripts save beside the weights; none of it is made, `_Inert` takes its place.
_BESIDE: Final = (
    "argparse.Namespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
)


def _is_plain(tensor: Tensor) -> bool:
    """Real numbers, all of them in the file: a tensor expanded from one number could stand for any amount of memory."""
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized or tensor.is_complex():
        return False
    return tensor.untyped_storage().nbytes() >= tensor.nbytes


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise CorruptCheckpointError(f"{path} is damaged: {error}.", hint="Copy or download it again.") from error
    return {name: _restore(name, tensor, stored, path) for name, tensor in stored.items() if not name.endswith(_SCALE)}


def _restore(name: str, tensor: Tensor, stored: Mapping[str, Tensor], path: Path) -> Tensor:
    if tensor.dtype != torch.int8:
        return tensor
    scale = stored.get(name + _SCALE)
    shape = (*tensor.shape[:1], *(1 for _ in tensor.shape[1:]))
    if scale is None or scale.shape != shape:
        found = "none" if scale is None else tuple(scale.shape)
        raise CorruptCheckpointError(f"{path}: 8-bit tensor {name!r} needs a scale of shape {shape}, found {found}.")
    return tensor.to(torch.float32) * scale.to(torch.float32)


def _read_pickle(path: Path) -> object:
    try:
        with torch.serialization.safe_globals([(_Inert, name) for name in _BESIDE]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise _refused_pickle(path, error) from error
    except Exception as error:  # whatever damaged bytes happen to provoke in the unpickler
        raise CorruptCheckpointError(
            f"{path} is truncated or is not a weights file ({type(error).__name__}).", hint="Copy or download it again."
        ) from error


def _refused_pickle(path: Path, error: pickle.UnpicklingError) -> CheckpointError:
    """Code inside, or simply not a checkpoint? PyTorch raises the same for both."""
    names = re.findall(r"GLOBAL ([\w.]+)", str(error))
    with path.open("rb") as file:
        is_pickle = file.read(2) in _PICKLE_STARTS or zipfile.is_zipfile(path)
    if not names and not is_pickle:
        return CorruptCheckpointError(f"{path} is not a weights file.", hint="Expected safetensors or torch.save.")
    is_network = bool(names) and names[0].startswith(("torch.nn.", "torchvision.", "timm."))
    what = f": it asks for {names[0]}" + (", so it is a whole pickled network" if is_network else "") if names else ""
    return UnsafeCheckpointError(
        f"{path} holds more than tensors{what}. Reading it would run code, so it was not read.",
        hint="Ask its author for torch.save(network.state_dict(), ...) or a safetensors file.",
    )


def eight_bit_names(path: Path) -> frozenset[str]:
    """Names of the tensors that a safetensors file keeps in 8 bits; none for any other file.

    Raises:
        CorruptCheckpointError: the file is damaged.
    """
    with path.open("rb") as file:
        if file.read(9)[8:] != b"{":
            return frozenset()
    try:
        with safe_open(path, framework="pt") as stored:
            return frozenset(name.removesuffix(_SCALE) for name in stored.keys() if name.endswith(_SCALE))  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CorruptCheckpointError(f"{path} is damaged: {error}.", hint="Copy or download it again.") from error


def write_state_dict(tensors: Mapping[str, Tensor], path: Path, *, eight_bit: bool | Collection[str] = False) -> None:
    """Writes a safetensors file; it appears whole or not at all.

    Args:
        eight_bit: store matrices and convolutions as int8 with one float32 scale per output channel (a quarter of the
            size), all of them or those named; `read_state_dict` restores them.

    Raises:
        CheckpointError: the file cannot be written.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        is_small = eight_bit is True or (eight_bit is not False and name in eight_bit)
        stored.update(_quantised(name, plain) if is_small else {name: plain})
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as folder:
            draft = Path(folder, path.name)
            save_file(stored, draft)
            draft.chmod(0o644)
            draft.replace(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be written: {error}.", hint="Check disk space and permissions."
        ) from error


def _quantised(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Symmetric, one scale per output channel: the largest weight of a channel becomes 127."""
    if tensor.ndim < 2 or not tensor.is_floating_point():
        return {name: tensor}
    peak = tensor.float().abs().amax(dim=tuple(range(1, tensor.ndim)), keepdim=True)
    scale = torch.where(peak > 0, peak / 127, torch.ones_like(peak))
    return {name: (tensor.float() / scale).round().to(torch.int8), name + _SCALE: scale}
