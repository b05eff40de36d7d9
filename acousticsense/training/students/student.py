"""What every student offers to the training loop, and the one that is a timm network as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from torch import Tensor, nn

from acousticsense.models.networks import classifier_name

__all__ = ["Perception", "Student", "WholeNetwork"]

#: Pixels between neighbouring places of the maps that are learned from.
_MAP_STRIDES: Final = (8, 16)


@dataclass(frozen=True)
class Perception:
    """What a network makes of images on the way to its answer.

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
        map_widths: channels of each of its maps; empty when it gives none.
        output: the classifier's last layer.
    """

    width: int
    map_widths: tuple[int, ...]
    output: nn.Linear

    def perceive(self, images: Tensor) -> Perception:
        """Features and maps of normalised images (n, 3, 224, 224)."""
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
        self._map_stages = _map_stages(network)
        stages: Any = getattr(network, "feature_info", [])
        self.map_widths = tuple(int(stages[index]["num_chs"]) for index in self._map_stages)

    def perceive(self, images: Tensor) -> Perception:
        """Features (n, width), and maps of every 8th and of every 16th pixel; a ViT's are of the same pixels."""
        network = cast(Any, self.network)
        if self._map_stages:
            last, maps = network.forward_intermediates(images, indices=self._map_stages)
        else:
            last, maps = network.forward_features(images), ()
        return Perception(self._hidden(network.forward_head(last, pre_logits=True)), tuple(maps))

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) of features (n, width)."""
        return cast(Tensor, self.output(features))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, n_outputs)."""
        return cast(Tensor, self.network(images))

    def grown(self) -> nn.Module:
        """The network itself."""
        return self.network


def _map_stages(network: nn.Module) -> list[int]:
    """Which of a timm network's stages give its maps: an early and a late one, or none of a network without such.

    CNNs have one stage of each stride. A ViT has a stage for each block, and the strides are alike: a third of the
    blocks lie before its early map, and a third after its late one.
    """
    stages: Any = getattr(network, "feature_info", [])
    fitting = [index for index, stage in enumerate(stages) if stage["reduction"] in _MAP_STRIDES]
    margin = (len(fitting) - 1) // 3
    return [fitting[margin], fitting[-1 - margin]] if len(fitting) > 1 else []
