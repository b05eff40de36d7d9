"""Channels of convolutional networks that nobody reads: the same answers from fewer of them.

One forward pass is watched to find out which layer reads which channels: of the layer before, through sums, products,
concatenations, depthwise convolutions and everything else that treats channels one by one. Where all readers of a
channel have nothing but zeros for it, it is cut out of all layers together. Whatever else an operation does, its inputs
are taken to be read in full. A network that answers differently afterwards, because it does something that cannot be
watched, is put back as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from acousticsense.models.channel_layers import ChannelGroup, Channels, Layer, inputs_needed

__all__ = ["without_idle_channels"]

_log: Final = logging.getLogger(__name__)

#: Operations that treat channels one by one, as long as the output has as many as the input: a mean over channels or a
#: flattened map has not.
_PASSING: Final = {
    *(functional.relu, functional.relu_, functional.relu6, functional.leaky_relu, functional.leaky_relu_),
    *(functional.hardswish, functional.hardsigmoid, functional.silu, functional.gelu, functional.mish),
    *(functional.dropout, functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d),
    *(torch.relu, torch.relu_, torch.sigmoid, torch.max_pool2d, torch.flatten, torch.mean),
    *(Tensor.relu, Tensor.relu_, Tensor.sigmoid, Tensor.mean, Tensor.flatten, Tensor.contiguous),
}

#: Operations on two tensors, channel by channel.
_PAIRING: Final = {torch.add, Tensor.add, Tensor.add_, torch.mul, Tensor.mul, Tensor.mul_}

#: What an operation may give without having read a channel: sizes and the like.
_SAYS_NOTHING: Final = (bool, int, torch.Size, torch.dtype, torch.device, torch.layout)

#: What a network raises when its layers, or what it computes from sizes, no longer fit together.
_MISFITS: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)

#: Largest change of an output, as a share of the largest output, that the order of sums explains.
_ROUNDING: Final = 1e-4


@torch.no_grad()
def without_idle_channels(network: nn.Module, image_size: int) -> nn.Module:
    """The network without the channels that no layer reads.

    Args:
        network: changed in place, and returned; in eval mode, on the CPU.
        image_size: side of the images that it sees, in pixels.
    """
    if not any(_has_idle_inputs(module) for module in network.modules()):
        return network
    watch = _Watch(network)
    image = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    try:
        with watch:
            answer = network(image)
        watch.settle(answer)
        for layer in watch.layers:
            layer.shrink()
        change, largest = float((network(image) - answer).abs().max()), float(answer.abs().max())
        if not change <= _ROUNDING * largest:
            raise ValueError(f"an output changed by {change:.2g}, the largest being {largest:.2g}")
    except _MISFITS as error:
        _log.info("all channels of %s are computed: %s", type(network).__name__, error)
        for layer in watch.layers:
            layer.restore()
    return network


class _Watch(TorchFunctionMode):
    """Follows the channels of tensors through a forward pass.

    Attributes:
        layers: in the order in which they computed.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self._modules: dict[int, Any] = {
            id(module.weight): module for module in network.modules() if _has_own_weight(module)
        }
        self._channels: dict[int, Channels] = {}
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
            self._mark_all_of(inputs)
        return output

    def _after(self, func: Callable[..., Any], inputs: list[Any], output: Tensor) -> Channels | None:
        """The channels of an output; None where they are not known, and all inputs have to be taken for read."""
        first: Any = inputs[0] if inputs else None
        known = self._channels.get(id(first))
        if func in (torch.conv2d, functional.linear, functional.batch_norm):
            return self._after_layer(inputs, known)
        if func in _PASSING:
            is_like = known is not None and output.ndim in (2, 4) and output.shape[:2] == first.shape[:2]
            return known if is_like else None
        if func in _PAIRING:
            is_like = isinstance(inputs[1], Tensor) and inputs[1].ndim == first.ndim
            return self._merged(known, self._channels.get(id(inputs[1]))) if is_like else None
        if func in (torch.cat, torch.concat) and inputs[1:] == [1]:
            parts = [self._channels.get(id(part)) for part in first]
            return tuple(group for part in parts for group in part or ()) if all(parts) else None
        return None

    def _after_layer(self, inputs: list[Any], known: Channels | None) -> Channels | None:
        module = next((self._modules[id(value)] for value in inputs[1:] if id(value) in self._modules), None)
        if module is None or (isinstance(module, nn.Linear) and inputs[0].ndim != 2):  # whose channels lie last
            return None
        reads = known or (ChannelGroup(inputs[0].shape[1], are_read=True),)
        writes: Channels = (ChannelGroup(len(module.weight)),)
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            is_depthwise = module.groups == module.in_channels == module.out_channels
            if not is_depthwise:
                return None
            writes = reads
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            writes = reads
        for layer in self.layers:
            if layer.module is module:  # one layer in two places cannot be cut for one of them
                for group in (*layer.reads, *layer.writes):
                    group.mark_all()
                return None
        self.layers.append(Layer(module, reads, writes))
        return writes

    @staticmethod
    def _merged(first: Channels | None, second: Channels | None) -> Channels | None:
        if first is None or second is None or [len(group) for group in first] != [len(group) for group in second]:
            return None
        for one, other in zip(first, second, strict=True):
            one.merge(other)
        return first

    def _mark_all_of(self, things: Any) -> None:
        """Takes all channels of tensors, in whatever they are packed, for read."""
        if isinstance(things, dict):
            things = list(things.values())
        if isinstance(things, (list, tuple)):
            for thing in things:
                self._mark_all_of(thing)
        for group in self._channels.get(id(things), ()):
            group.mark_all()

    def settle(self, answer: Any) -> None:
        """Follows from the answer back to the image what is read.

        One channel of a group always stays, as layers of no width compute nothing sensible.
        """
        self._mark_all_of(answer)
        self._settle()
        for layer in self.layers:
            for group in (*layer.reads, *layer.writes):
                if not group.marks.any():
                    group.mark(torch.arange(len(group)) == 0)
        self._settle()

    def _settle(self) -> None:
        is_news = True
        while is_news:
            news = [layer.mark_inputs() for layer in reversed(self.layers)]
            is_news = any(news)


def _has_own_weight(module: nn.Module) -> bool:
    kinds = (nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm)
    return isinstance(module, kinds) and isinstance(module.weight, nn.Parameter)


def _has_idle_inputs(module: nn.Module) -> bool:
    """Whether a convolution over all channels has nothing but zeros for one of them."""
    return isinstance(module, nn.Conv2d) and module.groups == 1 and not bool(inputs_needed(module.weight).all())
