"""The one interface between a classifier and whatever computes its network."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Backend(Protocol):
    """A network, ready to compute. Calls must take turns; `SharedForward` sees to it."""

    @property
    def name(self) -> str:
        """Library and number format, e.g. "pytorch-fp32" or "openvino-int8"; it is part of every answer."""

    def logits(self, batch: Tensor) -> Tensor:
        """Raw outputs, float32 (n, n_outputs) on the CPU.

        Args:
            batch: scaled by `FrontEnd.to_input`, float32 (n, channels, rows, columns), n of 1 or more, on any device.
        """
