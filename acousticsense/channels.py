"""Channels of convolutional networks that nobody reads: the same answers from fewer of them.

One forward pass is watched to find out which layer reads which channels: of the layer before, through sums, products,
concatenations, depthwise convolutions and everything else that treats channels one by one. Where all readers of a
channel have nothing but zeros for it, it is cut out of all layers together. Whatever else an operation does, its inputs
are taken to be read in full, so that unknown networks stay as they are.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["without_idle_channels"]

#: Operations that treat every channel alike and by itself; the output has the channels of the input.
_PASSING: Final = {
    *(functional.relu, functional.relu_, functional.relu6, functional.hardswish, functional.hardsigmoid),
    *(functional.silu, functional.gelu, functional.dropout, functional.max_pool2d, functional.avg_pool2d),
    *(functional.adaptive_avg_pool2d, torch.relu, torch.relu_, torch.sigmoid, torch.max_pool2d, torch.flatten),
    *(Tensor.relu, Tensor.relu_, Tensor.sigmoid, Tensor.mean, Tensor.flatten, Tensor.contiguous, torch.mean),
}

#: Operations on two tensors, channel by channel.
_PAIRING: Final = {
    *(torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__iadd__, operator.add, operator.iadd),
    *(torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__imul__, operator.mul, operator.imul),
}

#: What an operation may give without having read a channel: sizes and the like.
_SAYS_NOTHING: Final = (bool, int, torch.Size, torch.dtype, torch.device, torch.layout)


@torch.no_grad()
def without_idle_channels(network: nn.Module, image_size: int) -> nn.Module:
    """The network without the channels that no layer reads.

    Args:
        network: changed in place, and returned; in eval mode, on the CPU.
        image_size: side of the pictures that it sees, in pixels.
    """
    if not any(_has_idle_inputs(module) for module in network.modules()):
        return network
    watch = _Watch(network)
    with watch:
        watch.read_in_full(network(torch.zeros(1, 3, image_size, image_size)))
    watch.settle()
    for layer in watch.layers:
        layer.shrink()
    return network


class _Group:
    """Channels that can only be cut together, as their tensors are added or multiplied.

    Attributes:
        is_read: (n_channels,), of the group that this one was joined with last.
    """

    def __init__(self, n_channels: int, *, is_read: bool = False) -> None:
        self._is_read = torch.full((n_channels,), is_read)
        self._joined: _Group | None = None

    @property
    def root(self) -> _Group:
        return self._joined.root if self._joined else self

    @property
    def is_read(self) -> Tensor:
        return self.root._is_read

    def __len__(self) -> int:
        return len(self._is_read)

    def join(self, other: _Group) -> None:
        """Both are one from now on."""
        mine, theirs = self.root, other.root
        if mine is not theirs:
            mine._is_read |= theirs._is_read
            theirs._joined = mine

    def read(self, channels: Tensor) -> bool:
        """Marks channels (n_channels,) as read; whether one of them was not before."""
        is_news = bool((channels & ~self.is_read).any())
        self.root._is_read |= channels
        return is_news


#: The channels of a tensor: of one group, or of several, one behind the other.
_Channels = tuple[_Group, ...]


def _is_read(channels: _Channels) -> Tensor:
    return torch.cat([group.is_read for group in channels])


@dataclass
class _Layer:
    """A convolution, linear layer or batch norm, and the channels that it reads and writes, which may be the same."""

    module: Any
    reads: _Channels
    writes: _Channels

    @property
    def is_mixing(self) -> bool:
        """Whether an output channel is made of several input channels."""
        return self.reads is not self.writes

    def tell_readers(self) -> bool:
        """Marks what the outputs that are read need of the inputs; whether there was anything new."""
        if not self.is_mixing:
            return False
        needed = _needed(self.module.weight[_is_read(self.writes)])
        parts = torch.split(needed, [len(group) for group in self.reads])
        news = [group.read(part) for group, part in zip(self.reads, parts, strict=True)]
        return any(news)

    def shrink(self) -> None:
        """Cuts what is not read out of the layer."""
        read, written = (_is_read(channels).nonzero()[:, 0] for channels in (self.reads, self.writes))
        module = self.module
        if self.is_mixing and len(read) < module.weight.shape[1]:
            module.weight = nn.Parameter(module.weight[:, read])
        if len(written) < len(module.weight):
            for name in ("weight", "bias"):
                value = getattr(module, name)
                setattr(module, name, None if value is None else nn.Parameter(value[written]))
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


class _Watch(TorchFunctionMode):
    """Follows the channels of tensors through a forward pass.

    Attributes:
        layers: in the order in which they computed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layers: list[_Layer] = []
        self._modules: dict[int, Any] = {
            id(module.weight): module for module in network.modules() if _has_own_weight(module)
        }
        self._channels: dict[int, _Channels] = {}
        self._seen: list[Tensor] = []  # held, so that no other tensor gets their ids

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Computes, then takes down whose channels the output has."""
        output = func(*args, **(kwargs or {}))
        inputs = [*args, *(kwargs or {}).values()]
        channels = self._after(func, inputs, output) if isinstance(output, Tensor) else None
        if channels is not None:
            self._channels[id(output)] = channels
            self._seen.append(output)
        elif not isinstance(output, _SAYS_NOTHING):
            self.read_in_full(*inputs)
        return output

    def _after(self, func: Callable[..., Any], inputs: list[Any], output: Tensor) -> _Channels | None:
        """The channels of an output; None where they are not known, and all inputs have to be taken for read."""
        first: Any = inputs[0] if inputs else None
        known = self._channels.get(id(first))
        if func in (torch.conv2d, functional.linear, functional.batch_norm):
            return self._after_layer(inputs, known)
        if func in _PASSING:
            is_same = known is not None and output.ndim in (2, 4) and output.shape[:2] == first.shape[:2]
            return known if is_same else None
        if func in _PAIRING:
            is_like = isinstance(inputs[1], Tensor) and inputs[1].ndim == first.ndim
            return self._joined(known, self._channels.get(id(inputs[1]))) if is_like else None
        if func in (torch.cat, torch.concat) and inputs[1:] == [1]:
            parts = [self._channels.get(id(part)) for part in first]
            return tuple(group for part in parts for group in part or ()) if all(parts) else None
        return None

    def _after_layer(self, inputs: list[Any], known: _Channels | None) -> _Channels | None:
        module = next((self._modules[id(value)] for value in inputs[1:] if id(value) in self._modules), None)
        if module is None:
            return None
        reads = known or (_Group(inputs[0].shape[1], is_read=True),)
        writes: _Channels = (_Group(len(module.weight)),)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            is_depthwise = module.groups == module.in_channels == module.out_channels
            if not is_depthwise:
                return None
            writes = reads
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            writes = reads
        for layer in self.layers:
            if layer.module is module:  # one layer in two places cannot be cut for one of them
                self._read_in_full(*layer.reads, *layer.writes)
                return None
        self.layers.append(_Layer(module, reads, writes))
        return writes

    @staticmethod
    def _joined(first: _Channels | None, second: _Channels | None) -> _Channels | None:
        if first is None or second is None or [len(group) for group in first] != [len(group) for group in second]:
            return None
        for one, other in zip(first, second, strict=True):
            one.join(other)
        return first

    def read_in_full(self, *tensors: Any) -> None:
        """Takes all channels of some tensors, also in lists, for read."""
        for tensor in tensors:
            if isinstance(tensor, (list, tuple)):
                self.read_in_full(*tensor)
            self._read_in_full(*self._channels.get(id(tensor), ()))

    @staticmethod
    def _read_in_full(*groups: _Group) -> None:
        for group in groups:
            group.read(torch.ones(len(group), dtype=torch.bool))

    def settle(self) -> None:
        """Follows from the output back to the input what is read. One channel of a group always stays, as layers of no
        width compute nothing sensible."""
        self._settle()
        for layer in self.layers:
            for group in (*layer.reads, *layer.writes):
                if not group.is_read.any():
                    group.read(torch.arange(len(group)) == 0)
        self._settle()

    def _settle(self) -> None:
        is_news = True
        while is_news:
            news = [layer.tell_readers() for layer in reversed(self.layers)]
            is_news = any(news)


def _has_own_weight(module: nn.Module) -> bool:
    kinds = (nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm)
    return isinstance(module, kinds) and isinstance(module.weight, nn.Parameter)


def _has_idle_inputs(module: nn.Module) -> bool:
    """Whether a convolution over all channels has nothing but zeros for one of them."""
    return isinstance(module, nn.Conv2d) and module.groups == 1 and not bool(_needed(module.weight).all())


def _needed(weight: Tensor) -> Tensor:
    """Which inputs (n_inputs,) the weight (n_outputs, n_inputs, ...) of a layer is not zero for."""
    return weight.flatten(2).any(2).any(0) if weight.ndim > 2 else weight.any(0)
