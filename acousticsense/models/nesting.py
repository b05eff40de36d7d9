"""The network's own tensors among all that training scripts save beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from torch import Tensor

from acousticsense.errors import CheckpointError

#: Under which keys people nest the weights, the likeliest first.
_NESTS: Final = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")

#: Keys and prefixes of weights averaged over training (EMA, SWA), which predict better than the last ones.
_AVERAGED: Final = re.compile(r"(\w+_)?(ema|swa|averaged)(_\w+)?")

#: Prefixes that wrappers (DataParallel, torch.compile, Lightning) put before every name.
_WRAPPERS: Final = ("module.", "_orig_mod.", "model.", "net.", "network.")


@dataclass(frozen=True)
class Weights:
    """Tensors by name, and what was chosen on the way to them, in sentences."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...] = ()


def unwrapped(content: Mapping[object, object], path: object) -> Weights:
    """The innermost dictionary of tensors, without wrappers' prefixes; averaged weights go before the last ones.

    Raises:
        CheckpointError: there is no tensor in it; `path` is named.
    """
    nested = {str(key): value for key, value in content.items() if isinstance(value, Mapping)}
    averaged = {key: value for key, value in nested.items() if _AVERAGED.fullmatch(key)}
    plain = {key: value for key, value in content.items() if str(key) not in averaged}
    nest = next((key for key in _NESTS if key in nested and key not in averaged), None)
    tensors = {str(key): value for key, value in plain.items() if isinstance(value, Tensor)}
    found = unwrapped(nested[nest], path) if nest else _split(_stripped(tensors))
    for key, value in averaged.items():
        inner = _tensors(value)
        if inner and (chosen := _chosen(found, inner, key)):
            found = chosen
    if found.tensors:
        return found
    raise CheckpointError(
        f"{path} holds no weights; it holds {_keys(content) or 'nothing'}.",
        hint=f"Expected tensors by name, at the top or under {', '.join(_NESTS)}.",
    )


def _tensors(value: object) -> dict[str, Tensor]:
    """Tensors by name in a mapping, or in the likeliest mapping within; none in anything else."""
    if not isinstance(value, Mapping):
        return {}
    nest = next((key for key in ("shadow", "module", *_NESTS) if isinstance(value.get(key), Mapping)), None)
    if nest:
        return _tensors(value[nest])
    return _stripped({str(key): tensor for key, tensor in value.items() if isinstance(tensor, Tensor)})


def _split(tensors: dict[str, Tensor]) -> Weights:
    """The same for one flat dictionary, in which averaged weights have a prefix of their own."""
    prefixes = {name.partition(".")[0] for name in tensors if "." in name}
    found = Weights(tensors)
    for prefix in sorted(prefix for prefix in prefixes if _AVERAGED.fullmatch(prefix)):
        inside = {name.partition(".")[2]: t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
        rest = {name: t for name, t in found.tensors.items() if not name.startswith(f"{prefix}.")}
        found = _chosen(Weights(_stripped(rest), found.notes), _stripped(inside), prefix) or found
    return found


def _chosen(last: Weights, averaged: dict[str, Tensor], key: str) -> Weights | None:
    """The averaged weights where they are whole, else the last ones, with a sentence about the choice."""
    lacking = [name for name in last.tensors if name not in averaged and "." in name and "num_batches" not in name]
    kin = {name.partition(".")[0] for name in averaged}
    lacking = [name for name in lacking if name.partition(".")[0] in kin]
    if lacking or not averaged:
        note = f"The averaged weights under {key!r} are not whole (no {lacking[:1]}); the last ones were taken."
        return Weights(last.tensors, (*last.notes, note))
    others = {name: tensor for name, tensor in last.tensors.items() if name.partition(".")[0] not in kin}
    note = f"The averaged weights (EMA or SWA) under {key!r} were taken, not the last ones beside them."
    return Weights({**others, **averaged}, (*last.notes, *([note] if len(others) < len(last.tensors) else [])))


def _stripped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors without the prefixes that most of them have."""

    def is_common(prefix: str) -> bool:
        return 2 * sum(name.startswith(prefix) for name in tensors) > len(tensors)

    while prefix := next(filter(is_common, _WRAPPERS), None):
        inside = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
        tensors = {**{name: t for name, t in tensors.items() if not name.startswith(prefix)}, **inside}
    return tensors


def _keys(content: Mapping[object, object]) -> str:
    keys = [str(key) for key in content]
    return ", ".join(keys[:8]) + (" ..." if len(keys) > 8 else "")
