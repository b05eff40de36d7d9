"""PyTorch: the network as it was trained on CPUs, and in half the bits on GPUs."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn

from acousticsense.errors import OverloadError

_log: Final = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "fp16"]
_HALVES: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}

#: A network with more convolutions than a transformer's patch embedding has is a CNN.
_CONVOLUTIONS_OF_A_TRANSFORMER: Final = 1


class TorchBackend:
    """A PyTorch network on one device.

    Args:
        network: maps float32 (n, channels, rows, columns) to logits (n, n_outputs); it is moved to the device, and its
            weights stay float32.
        precision: in what the layers that bear it compute (`torch.autocast`).
    """

    def __init__(self, network: nn.Module, device: torch.device, *, precision: Precision = "fp32") -> None:
        # Convolutions read channels-last images without rearranging them; to a transformer it makes no difference.
        layout = torch.channels_last if _is_convolutional(network) else torch.contiguous_format
        self.network: nn.Module = cast(Any, network.eval().requires_grad_(False)).to(device, memory_format=layout)
        self.device = device
        self._layout = layout
        self._precision: Precision = precision
        self._largest_batch: int | None = None

    @property
    def name(self) -> str:
        """ "pytorch-fp32", "pytorch-bf16" or "pytorch-fp16"."""
        return f"pytorch-{self._precision}"

    def logits(self, batch: Tensor) -> Tensor:
        """See `Backend`. A batch too large for the device's memory is halved, and later ones are kept that small.

        Raises:
            OverloadError: not even one image fits.
        """
        step = min(len(batch), self._largest_batch or len(batch))
        while True:
            try:
                return torch.cat([self._forward(part) for part in torch.split(batch, step)])
            except torch.OutOfMemoryError as error:
                if step == 1:
                    raise OverloadError(
                        f"{self.device} has not enough free memory for one image.",
                        hint="Stop other programs that use it, or start with --device cpu.",
                    ) from error
            # outside the handler: the error's traceback would keep the failed pass's tensors alive
            step = self._largest_batch = step // 2
            _log.warning("%s is short of memory: batches of %d from now on", self.device, step)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _forward(self, batch: Tensor) -> Tensor:
        with torch.inference_mode(), self._autocast():
            on_device = to_device(batch, self.device).contiguous(memory_format=self._layout)
            return cast(Tensor, self.network(on_device)).float().cpu()

    def _autocast(self) -> AbstractContextManager[object]:
        if self._precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=_HALVES[self._precision])


def best_precision(device: torch.device) -> Precision:
    """What networks are fastest in on a device without leaving its answers: bf16 where a GPU has it, else fp16.

    CPUs compute in float32: without AMX, their bf16 is emulated.
    """
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on that device; from the CPU to a GPU through pinned memory, so that the copy needs no waiting."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _is_convolutional(network: nn.Module) -> bool:
    return sum(isinstance(module, nn.Conv2d) for module in network.modules()) > _CONVOLUTIONS_OF_A_TRANSFORMER
