"""YAMNet: a MobileNetV1 that names AudioSet's 521 classes, from the public 8-bit file for edge devices.

Apache-2.0; the file is `yamnet_spectra_in.tflite` of github.com/google-coral/coralmicro: log-mel spectrogram in, scores
out. It names all sixteen genres, speech and noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor
from torchaudio.functional import melscale_fbanks

SAMPLE_RATE_HZ: Final = 16_000

_N_FFT: Final = 512
_WIN_LENGTH: Final = 400
_HOP_LENGTH: Final = 160
_N_MELS: Final = 64
_F_MIN_HZ: Final = 125.0
_F_MAX_HZ: Final = 7_500.0
_LOG_OFFSET: Final = 1e-3

#: Frames of one patch: 0.96 s.
_PATCH_FRAMES: Final = 96

#: Scores of 8-bit networks reach 0 and 1 exactly; logits of them must be finite.
_LEAST: Final = 1.0 / 512


class Yamnet:
    """The tagger: waveforms in, logits of AudioSet's classes out, averaged over patches."""

    def __init__(self, weights: Path) -> None:
        self._interpreter = Interpreter(model_path=str(weights), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = next(
            detail["index"] for detail in self._interpreter.get_output_details() if tuple(detail["shape"]) == (1, 521)
        )
        self._banks = melscale_fbanks(
            _N_FFT // 2 + 1, _F_MIN_HZ, _F_MAX_HZ, _N_MELS, SAMPLE_RATE_HZ, norm=None, mel_scale="htk"
        )
        self._window = torch.hann_window(_WIN_LENGTH)

    def __call__(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, 521) of float32 (n, n_samples) at 16 kHz, twice: they serve as features, too."""
        logits = torch.stack([self._logits(patches) for patches in self._patches(waveforms)])
        return logits, logits

    def _patches(self, waveforms: Tensor) -> Tensor:
        """Log-mel patches (n, patches, 96, 64), one after the other."""
        spectrum = torch.stft(
            waveforms, _N_FFT, _HOP_LENGTH, _WIN_LENGTH, self._window, center=False, return_complex=True
        )
        log_mel = (spectrum.abs().transpose(1, 2) @ self._banks + _LOG_OFFSET).log()
        return cast(Tensor, log_mel.unfold(1, _PATCH_FRAMES, _PATCH_FRAMES).transpose(2, 3))

    def _logits(self, patches: Tensor) -> Tensor:
        """Logit of the mean score over the patches (p, 96, 64) of one waveform."""
        scores = np.mean([self._scores(patch.numpy()) for patch in patches], axis=0)
        mean = torch.from_numpy(scores).clamp(_LEAST, 1 - _LEAST)
        return torch.logit(mean)

    def _scores(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(patch[None]))
        self._interpreter.invoke()
        return cast(NDArray[np.float32], self._interpreter.get_tensor(self._output)[0].copy())
