"""A weights file becomes a network, or is refused.

A file becomes a network only when every parameter of the network is in it with the right shape, and when nothing in it
is left over that the network should have used. Anything else is refused with the list.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from acousticsense.errors import CheckpointError, CorruptCheckpointError, IncompatibleCheckpointError
from acousticsense.models.conversion import Renamed, to_timm
from acousticsense.models.heads import Head, find_head
from acousticsense.models.networks import (
    UPSTREAM_ARCHITECTURES,
    classifier_name,
    fill_tables,
    input_size,
    skeleton,
    timm_name,
)
from acousticsense.models.weights import read_weights

logger = logging.getLogger(__name__)

#: Names in a file that a network computes itself or that only training or profiling needs: left out, and reported.
_IGNORABLE: Final = re.compile(
    r"AuxLogits\..*|(.*\.)?(relative_position_index|attn_mask|num_batches_tracked|total_ops|total_params)"
)

#: Batch-norm's counters: PyTorch before 0.4.1 did not write them, and predictions do not read them.
_COUNTER: Final = ".num_batches_tracked"

_LISTED: Final = 8


@dataclass(frozen=True, kw_only=True)
class CheckpointReport:
    """What became of each tensor.

    Attributes:
        matched: parameters that were found under our own name.
        converted: parameters that were renamed, as "name in the file -> our name".
        unused: tensors of the file that the network has no use for when it predicts: auxiliary classifiers, tables,
            and what is not the network's at all, such as a loss's weights or a metric's counts.
        missing: parameters that were not in the file; only batch-norm's counters may be, which predictions ignore.
        architecture: timm name.
        n_outputs: width of the last layer.
        head: widths of the classifier's hidden layers.
        notes: what was chosen among several sets of weights in the file, in sentences.
    """

    matched: tuple[str, ...]
    converted: tuple[str, ...]
    unused: tuple[str, ...]
    missing: tuple[str, ...]
    architecture: str
    n_outputs: int
    head: tuple[int, ...]
    notes: tuple[str, ...] = ()


def read_head(tensors: Mapping[str, Tensor], architecture: str) -> Head:
    """The classifier in a state dict: hidden widths and class count.

    Raises:
        CheckpointError: unknown architecture.
        IncompatibleCheckpointError: no classifier of that architecture is in it.
    """
    return _renamed(tensors, timm_name(architecture))[0]


def _renamed(tensors: Mapping[str, Tensor], name: str) -> tuple[Head, Renamed]:
    return find_head(to_timm(tensors, name), name, classifier_name(name))


def load_network(
    path: Path,
    *,
    architecture: str,
    model_args: Mapping[str, Any] | None = None,
    n_outputs: int | None = None,
    head: tuple[int, ...] | None = None,
    image_size: int = 224,
) -> tuple[nn.Module, CheckpointReport]:
    """A network with the weights of a file, on the CPU, in float32 and eval mode.

    Args:
        path: safetensors or PyTorch file, see `read_state_dict`.
        architecture: timm or torchvision name.
        model_args: see `build_network`; None is the published size.
        n_outputs: expected width of the last layer; None takes what the file has.
        head: expected widths of the classifier's hidden layers; None takes what the file has.
        image_size: side of the square input in pixels.

    Raises:
        CheckpointError: see `read_state_dict`; also an unknown architecture, or arguments that it does not take.
        IncompatibleCheckpointError: a parameter would be left at random, has another shape, or is left over; or the
            classifier is not the expected one.
    """
    name = timm_name(architecture)
    weights = read_weights(path)
    tensors = weights.tensors
    try:
        found, renamed = _renamed(tensors, name)
        _check_head(found, n_outputs, head)
        network = skeleton(
            name,
            found.n_outputs,
            model_args=model_args or {},
            head=found.hidden,
            direct=found.direct,
            image_size=image_size,
        )
        report = replace(_compare(network.state_dict(), renamed, name, found), notes=weights.notes)
    except IncompatibleCheckpointError as error:
        raise _explained(error, path, tensors, name) from error
    del weights, tensors  # so that each tensor's memory is free as soon as it has been copied
    _fill(network, renamed, path)
    if report.converted or report.unused:
        logger.info("%s: %d matched, %d converted", path, len(report.matched), len(report.converted))
    return network.eval(), report


@torch.inference_mode()
def check_answers(network: nn.Module, name: str, input_shape: tuple[int, int, int], n_outputs: int) -> None:
    """Asks a network about one input of noise, before anybody asks it about music.

    Args:
        input_shape: channels, rows and columns of what it will be fed.
        n_outputs: how many numbers it must answer.

    Raises:
        CheckpointError: it cannot be fed that, or answers with something of another shape.
        CorruptCheckpointError: it answers with numbers that are not finite, as finite weights can make it do (a
            variance below zero is enough).
    """
    noise = torch.rand(1, *input_shape, generator=torch.Generator().manual_seed(0)) - 0.5
    shape, hint = "x".join(map(str, input_shape)), "Its front_end and model_args must suit its architecture."
    try:
        answer = network.eval()(noise)
    except (RuntimeError, AssertionError, ValueError, TypeError, IndexError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{name} cannot read {shape} values: {reason}.", hint=hint) from error
    if answer.shape != (1, n_outputs):
        given = "x".join(map(str, answer.shape))
        raise CheckpointError(f"{name} answers {shape} values with {given} numbers, not 1x{n_outputs}.", hint=hint)
    if not bool(torch.isfinite(answer).all()):
        raise CorruptCheckpointError(
            f"{name} answers with numbers that are not finite.", hint="Its weights are damaged."
        )


def _check_head(found: Head, n_outputs: int | None, head: tuple[int, ...] | None) -> None:
    if n_outputs is not None and found.n_outputs != n_outputs:
        raise IncompatibleCheckpointError(
            f"Expected {n_outputs} classes, the file has {found.n_outputs}.",
            hint="Give as many labels as the network has outputs.",
        )
    if head is not None and found.hidden != head:
        raise IncompatibleCheckpointError(
            f"Expected a classifier with hidden layers {list(head)}, the file has {list(found.hidden)}."
        )


def _compare(expected: Mapping[str, Tensor], renamed: Renamed, name: str, head: Head) -> CheckpointReport:
    """The report; refused unless every parameter is there, has its shape, and nothing of weight is left over."""
    missing = [key for key in expected if key not in renamed.tensors]
    unused = [old for key, old in renamed.origin.items() if key not in expected]
    shapes = [
        f"{key} expected {tuple(tensor.shape)}, found {tuple(renamed.tensors[key].shape)}"
        for key, tensor in expected.items()
        if key in renamed.tensors and renamed.tensors[key].shape != tensor.shape and not key.endswith(_COUNTER)
    ]
    own = {name.split(".")[0].rstrip("0123456789_") for key in expected for name in (key, renamed.origin.get(key, key))}
    troubles = (
        ("missing", [key for key in missing if not key.endswith(_COUNTER)]),
        ("of another shape", shapes),
        ("left over", [old for old in unused if _is_kin(old, own) and not _IGNORABLE.fullmatch(old)]),
    )
    if any(names for _, names in troubles):
        told = "; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in troubles if names)
        raise IncompatibleCheckpointError(f"Expected {len(expected)} tensors of {name}. {told}.")
    found = [(key, renamed.origin[key]) for key in expected if key in renamed.origin]
    return CheckpointReport(
        matched=tuple(key for key, old in found if key == old),
        converted=tuple(f"{old} -> {key}" for key, old in found if key != old),
        unused=tuple(unused),
        missing=tuple(missing),
        architecture=name,
        n_outputs=head.n_outputs,
        head=head.hidden,
    )


def _is_kin(name: str, own: set[str]) -> bool:
    """Whether a tensor belongs to a part of the network, as a layer too many does and a loss's weight does not."""
    return name.partition(".")[0].rstrip("0123456789_") in own


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _explained(
    error: IncompatibleCheckpointError, path: Path, tensors: Mapping[str, Tensor], name: str
) -> IncompatibleCheckpointError:
    """The same refusal with the file named, and with the architecture that would fit."""
    likely = infer_architecture(tensors)
    other = likely is not None and timm_name(likely) != name
    hint = f"These look like the weights of {likely}." if other else error.hint
    return IncompatibleCheckpointError(f"{path} does not fit {name}. {error.message}", hint=hint)


def _fill(network: nn.Module, renamed: Renamed, path: Path) -> None:
    """Moves the tensors into the network; copies, so that it does not depend on the file any more."""
    values: dict[str, Tensor] = {}
    for key, target in network.state_dict().items():
        source = renamed.tensors.pop(key, None)
        if source is None or source.shape != target.shape:  # a counter
            values[key] = torch.zeros(target.shape, dtype=target.dtype)
            continue
        values[key] = source.detach().to(device="cpu", dtype=target.dtype, copy=True).contiguous()
        if not torch.isfinite(values[key].sum()):
            raise CorruptCheckpointError(f"{path}: {renamed.origin[key]!r} holds values that are not finite numbers.")
    network.load_state_dict(values, strict=True, assign=True)
    fill_tables(network)


def fits(tensors: Mapping[str, Tensor], architecture: str) -> bool:
    """Whether a state dict fills a network of that architecture, at its own image size, and nothing is left over.

    Raises:
        CheckpointError: unknown architecture.
    """
    name = timm_name(architecture)
    try:
        head, renamed = _renamed(tensors, name)
        network = skeleton(name, head.n_outputs, head=head.hidden, direct=head.direct, image_size=input_size(name))
        _compare(network.state_dict(), renamed, name, head)
    except IncompatibleCheckpointError:
        return False
    return True


def infer_architecture(tensors: Mapping[str, Tensor]) -> str | None:
    """The torchvision name among `UPSTREAM_ARCHITECTURES` whose network the tensors fill, if there is one."""
    return next((candidate for candidate in UPSTREAM_ARCHITECTURES if fits(tensors, candidate)), None)
