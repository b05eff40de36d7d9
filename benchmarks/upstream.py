"""What ccmusic-database/music_genre does with one song, with the same libraries: the yardstick of `latency.py`.

Written from the description of its steps: librosa.load of the whole file, decibels below the maximum, windows of 11.4 s
centred on the track, each drawn by specshow into a JPEG, read by PIL, analysed by a torchvision network, majority vote.
"""

from __future__ import annotations

import io
from pathlib import Path

import librosa
import matplotlib as mpl
import numpy as np
import torch
import torchvision
from librosa.display import specshow
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

WINDOW_S = 11.4
RATE_HZ = 22_050


def vit_b_16() -> nn.Module:
    """torchvision's ViT-B/16 with random weights: time does not depend on them."""
    network: nn.Module = torchvision.models.vit_b_16(num_classes=16).eval()
    return network


def decibels(path: Path) -> NDArray[np.float32]:
    """The mel spectrogram of the whole file in dB below its maximum."""
    waveform, _ = librosa.load(path, sr=RATE_HZ)
    mel = librosa.feature.melspectrogram(y=waveform, sr=RATE_HZ)
    return np.asarray(librosa.power_to_db(mel, ref=np.max))


def windows(values: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Windows of 11.4 s, centred."""
    width = int(WINDOW_S * RATE_HZ / 512)
    count = max(1, values.shape[1] // width)
    first = max(0, (values.shape[1] - count * width) // 2)
    return [values[:, first + index * width : first + (index + 1) * width] for index in range(count)]


def image(values: NDArray[np.float32]) -> Tensor:
    """One window as the network gets it, float32 (3, 224, 224): drawn, saved, read back, stretched."""
    figure = Figure(figsize=mpl.rcParamsDefault["figure.figsize"], dpi=100)
    axes = figure.add_subplot()
    specshow(values, ax=axes)
    axes.axis("off")
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", bbox_inches="tight", pad_inches=0.0)
    image = Image.open(file).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
    return torch.from_numpy((np.asarray(image, dtype=np.float32) / 255 - 0.5) / 0.5).permute(2, 0, 1)


def predict(path: Path, network: nn.Module) -> int:
    """The label index that most windows vote for."""
    with torch.inference_mode():
        votes = [int(network(image(window)[None]).argmax()) for window in windows(decibels(path))]
    return max(set(votes), key=votes.count)
