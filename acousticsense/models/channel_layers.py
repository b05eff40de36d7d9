"""Layers of a network and the channels that they read and write, and cutting channels out of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["ChannelGroup", "Channels", "Layer", "inputs_needed"]


class ChannelGroup:
    """Channels of tensors that are added, multiplied or passed on: one is cut from all of them or from none."""

    def __init__(self, n_channels: int, *, are_read: bool = False) -> None:
        self._marks = torch.full((n_channels,), are_read)
        self._merged_into: ChannelGroup | None = None

    @property
    def marks(self) -> Tensor:
        """Which channels some layer reads: bool (n_channels,), of the group that this one was merged into."""
        return self._root._marks

    @property
    def _root(self) -> ChannelGroup:
        return self if self._merged_into is None else self._merged_into._root

    def __len__(self) -> int:
        return len(self._marks)

    def merge(self, other: ChannelGroup) -> None:
        """Both are one from now on."""
        mine, theirs = self._root, other._root
        if mine is not theirs:
            mine._marks |= theirs._marks
            theirs._merged_into = mine

    def mark(self, channels: Tensor) -> bool:
        """Marks channels (n_channels,) as read; whether one of them was not before."""
        is_news = bool((channels & ~self.marks).any())
        self._root._marks |= channels
        return is_news

    def mark_all(self) -> None:
        """Marks every channel as read."""
        self._root._marks.fill_(True)


#: The channels of a tensor: of one group, or of several, one behind the other.
Channels = tuple[ChannelGroup, ...]


def _marked(channels: Channels) -> Tensor:
    return torch.cat([group.marks for group in channels])


def inputs_needed(weight: Tensor) -> Tensor:
    """Which inputs (n_inputs,) the weight (n_outputs, n_inputs, ...) of a layer is not zero for."""
    return weight.flatten(2).any(2).any(0) if weight.ndim > 2 else weight.any(0)


@dataclass
class Layer:
    """A convolution, linear layer or batch norm.

    Attributes:
        module: the layer.
        reads: the channels of its input.
        writes: those of its output; the same object when each is made of one input channel.
    """

    module: Any
    reads: Channels
    writes: Channels
    _before: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def is_mixing(self) -> bool:
        """Whether an output channel is made of several input channels."""
        return self.reads is not self.writes

    def mark_inputs(self) -> bool:
        """Marks the inputs that are needed for outputs that are read; whether there was anything new."""
        if not self.is_mixing:
            return False
        needed = inputs_needed(self.module.weight[_marked(self.writes)])
        parts = torch.split(needed, [len(group) for group in self.reads])
        news = [group.mark(part) for group, part in zip(self.reads, parts, strict=True)]
        return any(news)

    def shrink(self) -> None:
        """Cuts what is not read out of the layer."""
        module = self.module
        self._before = {**vars(module), "_parameters": {**module._parameters}, "_buffers": {**module._buffers}}
        read, written = (_marked(channels).nonzero()[:, 0] for channels in (self.reads, self.writes))
        if self.is_mixing and len(read) < module.weight.shape[1]:
            module.weight = nn.Parameter(module.weight[:, read])
        if len(written) < len(module.weight):
            module.weight = nn.Parameter(module.weight[written])
            module.bias = None if module.bias is None else nn.Parameter(module.bias[written])
            for name in ("running_mean", "running_var"):
                if module._buffers.get(name) is not None:
                    module._buffers[name] = module._buffers[name][written]
        if isinstance(module, nn.Conv2d):
            module.in_channels, module.out_channels = len(read), len(written)
            module.groups = 1 if self.is_mixing else len(written)
        elif isinstance(module, nn.Linear):
            module.in_features, module.out_features = len(read), len(written)
        else:
            module.num_features = len(written)

    def restore(self) -> None:
        """Undoes `shrink`."""
        vars(self.module).update(self._before)
