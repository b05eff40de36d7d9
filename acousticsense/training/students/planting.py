"""Putting a narrow network's weights among the channels of a wide one of the same design.

The narrow network's channels become the first of each layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["plant"]

#: What batch norm begins with; idle channels keep it, so that they stay at zero.
_NEUTRAL: Final = {"running_var": 1.0}


@torch.no_grad()
def plant(narrow: Mapping[str, Tensor], wide: nn.Module, *, idle: bool) -> None:
    """Fills `wide` so that it computes what the narrow network computes.

    Args:
        narrow: weights under the names of `wide`; each dimension at most as long as there. First-layer weights for one
            colour are spread over three equal ones.
        wide: the network to fill; outputs and classifier inputs lie first.
        idle: further channels are zero for ever, which stores as nothing, and every weight must be there. Otherwise
            further channels and missing weights keep their initial values, and what reads further channels begins at
            zero, so that training can use them.

    Raises:
        ValueError: a weight is missing or does not fit.
    """
    for name, target in wide.state_dict().items():
        if not target.is_floating_point():
            continue
        if name not in narrow:
            if idle:
                raise ValueError(f"the narrow network has no {name}")
            continue
        source = narrow[name]
        if source.ndim == 4 and source.shape[1] == 1 and target.shape[1] == 3:
            source = source.expand(-1, 3, -1, -1) / 3
        if source.ndim != target.ndim or any(a > b for a, b in zip(source.shape, target.shape, strict=True)):
            raise ValueError(f"{name} of {tuple(source.shape)} does not fit into {tuple(target.shape)}")
        corner = tuple(slice(0, size) for size in source.shape)
        if idle:
            target.fill_(_NEUTRAL.get(re.sub(r".*\.", "", name), 0.0))
        elif target.ndim > 1:
            target[: source.shape[0], source.shape[1] :] = 0
        target[corner] = source
