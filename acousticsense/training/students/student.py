"""What every student offers to the training loop, and the one that is a timm network as it is."""

from __future__ import annotations

from typing import Any, Protocol, cast

from torch import Tensor, nn

from acousticsense.networks import classifier_name

__all__ = ["Student", "WholeNetwork"]


class Student(Protocol):
    """A network in training; `width` features reach its classifier, of which `output` is the last layer."""

    width: int
    output: nn.Linear

    def features(self, pictures: Tensor) -> Tensor:
        """What the classifier reads, (n, width), of normalised pictures (n, 3, 224, 224)."""
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

    def features(self, pictures: Tensor) -> Tensor:
        """What the classifier reads: (n, width)."""
        network = cast(Any, self.network)
        pooled = network.forward_head(network.forward_features(pictures), pre_logits=True)
        return cast(Tensor, self._hidden(pooled))

    def logits(self, features: Tensor) -> Tensor:
        """Logits (n, n_outputs) of features (n, width)."""
        return cast(Tensor, self.output(features))

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, n_outputs)."""
        return self.logits(self.features(pictures))

    def grown(self) -> nn.Module:
        """The network itself."""
        return self.network
