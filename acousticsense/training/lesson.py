"""What a student learns from a batch, from teachers or from a colleague, and the heads that it learns it with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from acousticsense.spectrogram.front_end import NATIVE_MEL
from acousticsense.training.batches import Batch
from acousticsense.training.students.student import Student

__all__ = ["Learner", "Lesson", "colleague_lesson", "sized"]

#: Deviations beyond which a standardised feature is an outlier.
_OUTLIER: Final = 4.0


@dataclass(frozen=True)
class Lesson:
    """What a student should make of n images.

    Attributes:
        answers: probabilities (n, n_outputs).
        features: standardised, (n, width).
        maps: standardised, (n, channels, rows, columns), of the sizes of the student's own maps.
    """

    answers: Tensor
    features: Tensor
    maps: tuple[Tensor, ...] = ()


class Learner(nn.Module):
    """A student and, beside its classifier, heads that are thrown away after training.

    They regress features of others from the features that the classifier reads, and maps of a colleague from the
    student's own, place by place (Romero et al., arXiv 1412.6550): a soft label says little about a piece of music,
    features and maps say much.

    Args:
        student: who learns.
        feature_width: features to regress.
        map_widths: channels of the maps to regress; none for no maps.

    Raises:
        ValueError: there are maps to learn, and not as many of the student's own.
    """

    def __init__(self, student: Student, feature_width: int, map_widths: tuple[int, ...] = ()) -> None:
        super().__init__()
        if map_widths and len(map_widths) != len(student.map_widths):
            raise ValueError(
                f"{len(map_widths)} maps cannot be learned by a network that gives {len(student.map_widths)}"
            )
        own = student.map_widths if map_widths else ()
        self.student = student
        self.feature_head = nn.Linear(student.width, feature_width)
        self.map_heads = nn.ModuleList(nn.Conv2d(*widths, 1) for widths in zip(own, map_widths, strict=True))

    @property
    def outputs(self) -> tuple[nn.Module, ...]:
        """The layers that give what is compared with a lesson; they are AdamW's, see `Optimiser`."""
        return self.student.output, self.feature_head, *self.map_heads

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Logits (n, n_outputs), features (n, feature_width) and maps of normalised images (n, 3, 224, 224)."""
        known = self.student.perceive(images)
        own = known.maps if len(self.map_heads) else ()
        maps = [cast(Tensor, head(one)) for head, one in zip(self.map_heads, own, strict=True)]
        return self.student.logits(known.features), self.feature_head(known.features), maps


@torch.no_grad()
def colleague_lesson(batch: Batch, colleague: Student, map_sizes: Sequence[tuple[int, int]]) -> Lesson:
    """What a colleague makes of the very images, half of the answers being the teachers'.

    What teachers heard is known of a window nearby, and before the image was changed or mixed; of a colleague
    everything can be known.

    Args:
        batch: whole images, whatever size the student sees.
        colleague: trained, in evaluation mode.
        map_sizes: rows and columns of each of the student's maps; none when maps are not learned.
    """
    known = colleague.perceive(sized(batch.images, NATIVE_MEL.image_size))
    answers = (batch.targets + colleague.logits(known.features).float().softmax(1)) / 2
    theirs = known.maps if map_sizes else ()
    maps = [functional.adaptive_avg_pool2d(one, size) for one, size in zip(theirs, map_sizes, strict=True)]
    return Lesson(answers, _standardised(known.features), tuple(_standardised(one) for one in maps))


def sized(images: Tensor, side_px: int) -> Tensor:
    """Images at this size; convolutions are a third faster on channels that lie last."""
    if images.shape[-1] != side_px:
        images = functional.interpolate(images, (side_px, side_px), mode="bilinear", antialias=True)
    return images.contiguous(memory_format=torch.channels_last)


def _standardised(values: Tensor) -> Tensor:
    """Features or maps (n, width, ...) with mean 0 and deviation 1, outliers clipped.

    The batch's own means do: what they vary from batch to batch is noise of 1/n of a deviation's square, and nothing
    has to be kept for a run that goes on.
    """
    scaled = cast(Any, functional).batch_norm(values.float(), None, None, training=True)
    return cast(Tensor, scaled.clamp(-_OUTLIER, _OUTLIER))
