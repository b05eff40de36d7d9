"""What every student offers to the training loop, and the one that is a timm network as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from torch import Tensor, nn

from acousticsense.networks import classifier_name

__all__ = ["Seen", "Student", "WholeNetwork"]

#: Pixels between neighbouring places of the maps that are learned from.
_MAP_STRIDES: Final = (8, 16)


@dataclass(frozen=True)
class Seen:
    """What a network makes of pictures on the way to its answer.

    Attributes:
        features: (n, width), what the classifier reads.
        maps: what it sees where, (n, channels, rows, columns): from an early and from a late layer.
    """

    features: Tensor
    maps: tuple[Tensor, ...]


class Student(Protocol):
    """A network in training.

    Attributes:
        width: features that reach its classifier.
        map_widths: channels of each of its maps.
        output: the classifier's last layer.
    """

    width: int
    map_widths: tuple[int, ...]
    output: nn.Linear

    def see(self, pictures: Tensor) -> Seen:
        """Features and maps of normalised pictures (n, 3, 224, 224)."""
        ...

    def logits(self, features: Tensor) -> Tensor:
        """What the classifier makes of them: (n, n_outputs)."""
        ...

    def grown(self) -> nn.Module:
        """The network of the recipe's architecture that computes the same."""
        ...


class WholeNetwork(nn.Module):
    """A timm network that is trained and used as it is."""

    def __init__(self, architecture: str, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._classifier = classifier_name(architecture)
        last = network.get_submodule(self._classifier)
        # a classifier with hidden layers counts its hidden layers to the features
        self.output = cast(nn.Linear, last[-1] if isinstance(last, nn.Sequential) else last)
        self._hidden: nn.Module = last[:-1] if isinstance(last, nn.Sequential) else nn.Identity()
        self.width = self.output.in_features
        stages = cast(Any, network).feature_info
        middle = [index for index, stage in enumerate(stages) if stage["reduction"] in _MAP_STRIDES]
        margin = (len(middle) - 1) // 3  # CNNs have one stage of each stride, a ViT has twelve of the same
        self._map_indices = [middle[margin], middle[-1 - margin]]
        self.map_widths = tuple(stages[index]["num_chs"] for index in self._map_indices)

    def see(self, pictures: Tensor) -> Seen:
        """Features (n, width), and maps of every 8th and of every 16th pixel; of every 16th alone with a ViT."""
        network = cast(Any, self.network)
        last, maps = network.forward_intermediates(pictures, indices=self._map_indices)
        return Seen(self._hidden(network.forward_head(last, pre_logits=True)), tuple(maps))

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) of features (n, width)."""
        return cast(Tensor, self.output(features))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, n_outputs)."""
        return cast(Tensor, self.network(pictures))

    def grown(self) -> nn.Module:
        """The network itself."""
        return self.network
