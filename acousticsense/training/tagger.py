"""Taggers as models of ours: a trunk as it was released, and a linear head from its features to our genres.

The head is a multinomial logistic regression of the soft labels on the pooled features, scarce classes counting more;
the trunk is not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.evaluation.calibration import Answers
from acousticsense.files import sha256_of
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import OWN_ARCHITECTURES
from acousticsense.models.spec import ModelSpec
from acousticsense.models.weights import write_state_dict
from acousticsense.training.clips import Clip
from acousticsense.training.export import calibrated, earlier_looks
from acousticsense.training.score import measured
from acousticsense.training.targets import Targets
from acousticsense.training.teachers import mn04, musicnn
from acousticsense.training.teachers.teachers import FEATURE_WIDTHS, MN04_FILE, MUSICNN_FILE, columns, network_of

Floats = NDArray[np.float32]

#: Weight of the squares of the head's weights, beside the mean cross-entropy; by macro recall on validation music
#: among 1e-4 to 3e-3.
_PENALTY: Final = 1e-3

#: Power of a class's scarcity by which its windows count more; 1 would make classes count alike.
_BALANCE: Final = 0.75

_STEPS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Tagger:
    """A network that others released.

    Attributes:
        name: of its architecture, and of the model.
        title: what people call it.
        teacher: whose features its are, by `FEATURE_WIDTHS`.
        file: its weights, in the folder of teachers.
        read_trunk: reads them up to the features, under the names of our network.
        licence: of its weights.
        trunk: what they are, in words.
    """

    name: str
    title: str
    teacher: str
    file: str
    read_trunk: Callable[[Path], dict[str, Tensor]]
    licence: str
    trunk: str

    @property
    def features(self) -> slice:
        """Where its features stand in those of all teachers."""
        return columns(FEATURE_WIDTHS, self.teacher)

    @property
    def provenance(self) -> str:
        """For its description."""
        return (
            f"Trunk: {self.trunk}, unchanged. Head: one linear layer on its {FEATURE_WIDTHS[self.teacher]} features, "
            "fitted to soft labels of the training music by logistic regression."
        )


TAGGERS: Final[Mapping[str, Tagger]] = {
    tagger.name: tagger
    for tagger in (
        Tagger(
            name="efficientat_mn04",
            title="EfficientAT mn04",
            teacher="mn04",
            file=MN04_FILE,
            read_trunk=mn04.read_trunk,
            licence="MIT",
            trunk=(
                "EfficientAT mn04_as (F. Schmid, K. Koutini, G. Widmer, arXiv 2211.04772, MIT; "
                "github.com/fschmid56/EfficientAT, release file mn04_as_mAP_432.pt), a MobileNetV3-Large of width 0.4 "
                "trained on AudioSet"
            ),
        ),
        Tagger(
            name="musicnn",
            title="musicnn",
            teacher="musicnn",
            file=MUSICNN_FILE,
            read_trunk=musicnn.read_trunk,
            licence="ISC",
            trunk=(
                "musicnn (J. Pons, X. Serra, arXiv 1909.06654, ISC; MSD_musicnn of the PyPI package musicnn 0.1.0), "
                "trained on tags of the Million Song Dataset, which may hold songs that it is tested on here"
            ),
        ),
    )
}


def judged(tagger: Tagger, head: nn.Linear, clips: Sequence[Clip]) -> Answers:
    """What a head says of the first window of each clip that can be measured on."""
    chosen, labels = measured(clips)
    features = np.stack([clip.features[0, tagger.features] for clip in chosen])
    with torch.inference_mode():
        return Answers(logits=head(torch.from_numpy(features)).numpy(), labels=labels, n_labels=len(GENRES))


def head_of_clips(tagger: Tagger, clips: Sequence[Clip], targets: Targets) -> nn.Linear:
    """The head fitted on all windows of prepared clips; a clip counts once, however many windows it has."""
    weights = np.concatenate([np.full(len(soft), 1 / len(soft), np.float32) for soft in targets.soft])
    features = np.concatenate([clip.features[:, tagger.features] for clip in clips])
    return fit_head(features, np.concatenate(targets.soft), weights)


def fit_head(features: Floats, targets: Floats, weights: Floats) -> nn.Linear:
    """The linear layer whose softmax comes closest to the targets: multinomial logistic regression.

    Args:
        features: (n, D) of windows, of at least two different values each.
        targets: (n, n_outputs) probabilities.
        weights: (n,) how much each window counts, before classes are balanced.
    """
    mean, deviation = features.mean(0), np.maximum(features.std(0), 1e-4)
    inputs, wanted = torch.from_numpy((features - mean) / deviation), torch.from_numpy(targets)
    counts = _balanced(torch.from_numpy(weights), wanted)
    head = nn.Linear(features.shape[1], targets.shape[1])
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    optimiser: Any = torch.optim.LBFGS(head.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimiser.zero_grad()
        loss: Any = (counts * functional.cross_entropy(head(inputs), wanted, reduction="none")).mean()
        loss += _PENALTY * head.weight.square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return _unscaled(head, torch.from_numpy(mean), torch.from_numpy(deviation))


def _balanced(weights: Tensor, targets: Tensor) -> Tensor:
    """Weights (n,) of mean 1, larger for windows of scarce classes."""
    totals = (targets * weights[:, None]).sum(0).clamp(min=1e-6)
    weights = weights * (targets * (totals.sum() / totals) ** _BALANCE).sum(1)
    return weights / weights.mean()


@torch.no_grad()
def _unscaled(head: nn.Linear, mean: Tensor, deviation: Tensor) -> nn.Linear:
    """The same function of features as they are."""
    head.weight.div_(deviation)
    head.bias.sub_(head.weight @ mean)
    return head.requires_grad_(False)


def tagger_network(tagger: Tagger, release: Path, head: nn.Linear) -> nn.Module:
    """The released trunk with a head from `fit_head`, in eval mode."""
    return network_of(tagger.name, tagger.read_trunk(release), head)


def install_tagger(
    tagger: Tagger, release: Path, folder: Path, head: nn.Linear, *, validation: Answers, folds: Sequence[Answers]
) -> ModelSpec:
    """Writes weights and description of a tagger into the folder of a model, which is made where there is none.

    `release`, `head`, `validation` and `folds` are as `tagger_network` and `calibrated` take them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "model.safetensors"
    write_state_dict(tagger_network(tagger, release, head).state_dict(), weights)
    calibration, figures = calibrated(validation, folds)
    spec = ModelSpec(
        name=folder.name,
        architecture=tagger.name,
        labels=GENRES,
        has_not_music=True,
        front_end=OWN_ARCHITECTURES[tagger.name].front_end,
        calibration=calibration,
        weights_sha256=sha256_of(weights),
        licence=tagger.licence,
        provenance=tagger.provenance,
        metrics={**figures, **earlier_looks(folder)},
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec
