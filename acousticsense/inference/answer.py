"""A prediction with everything that led to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from acousticsense.audio.clip import AudioClip
from acousticsense.inference.confidence import advise
from acousticsense.inference.posterior import Posterior
from acousticsense.inference.prediction import Advice, ModelInfo, Prediction, Timing, WindowVote
from acousticsense.inference.preprocess import PreparedClip
from acousticsense.models.spec import ModelSpec
from acousticsense.spectrogram.windows import SpectrogramImages


@dataclass(frozen=True)
class Analysis:
    """A prediction with everything that led to it.

    Attributes:
        audio: the excerpt that was decoded.
        images: what the network saw.
        window_probabilities: float32 (n_windows, n_labels).
    """

    prediction: Prediction
    audio: AudioClip
    images: SpectrogramImages
    window_probabilities: Tensor

    @property
    def n_bytes(self) -> int:
        """Memory that its arrays take, about."""
        arrays = (self.audio.waveform, self.audio.channels, self.images.inputs, self.images.spectrogram)
        return sum(array.nbytes for array in arrays)

    def without_channels(self) -> Analysis:
        """The same without the excerpt as the file holds it: most of its memory, and only comparisons read it."""
        none = np.empty((len(self.audio.channels), 0), np.float32)
        return replace(self, audio=replace(self.audio, channels=none))

    def repeated(self, *, total_ms: float) -> Analysis:
        """The same answer, given again in `total_ms` without decoding or computing anything."""
        timing = Timing(decode=0.0, spectrogram=0.0, network=0.0, total=round(total_ms, 2))
        return replace(self, prediction=replace(self.prediction, timing_ms=timing))


def analysis_of(
    clip: PreparedClip, posterior: Posterior, spec: ModelSpec, model: ModelInfo, *, network_ms: float
) -> Analysis:
    """The answer for a clip, with advice, health and timing."""
    advice = advise(
        posterior.verdict,
        posterior.probabilities,
        clip.health,
        spec.calibration,
        clip=clip.audio.info,
        other_kinds=spec.kinds[1:],
        tested=spec.real_test.labels,
    )
    prediction = Prediction(
        probabilities=posterior.probabilities,
        not_music=posterior.not_music,
        verdict=posterior.verdict,
        advice=(*advice, *_told(posterior.vote)),
        health=clip.health,
        clip=clip.audio.info,
        model=model,
        timing_ms=Timing(
            decode=round(clip.decode_ms, 2),
            spectrogram=round(clip.spectrogram_ms, 2),
            network=round(network_ms, 2),
            total=round(clip.decode_ms + clip.spectrogram_ms + network_ms, 2),
        ),
        vote=posterior.vote,
    )
    return Analysis(prediction, clip.audio, clip.images, posterior.window_probabilities)


def _told(vote: WindowVote | None) -> tuple[Advice, ...]:
    """A vote in words; a single window has nothing to vote about."""
    if vote is None or vote.of == 1:
        return ()
    return (Advice("vote", {"best": vote.label, "windows": vote.windows, "of": vote.of}),)
