"""Heat maps: for every kind of network, for any label, and true to what the network goes by."""

from __future__ import annotations

import io
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

from acousticsense.analysis.explain import MAX_WINDOWS, Explanation, explain
from acousticsense.analysis.figures import heat_png, heatmap_drawing, level_grid
from acousticsense.analysis.heatmap import Heatmap
from acousticsense.analysis.relevance import relevance
from acousticsense.errors import RequestError, UnexplainableError
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.catalog import DEFAULT_MODEL
from acousticsense.models.genres import GENRES
from acousticsense.models.networks import build_network
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings
from acousticsense.spectrogram.front_end import EFFICIENTAT_MEL, UPSTREAM_WINDOWS, upstream_front_end
from acousticsense.web.example_clips import read_examples
from benchmarks.heatmap import OURS, RANDOM, hottest_cells, mask, painted, rank_correlation, with_shuffled_weights
from tests.analysis.test_figures import pixels
from tests.conftest import RATE_HZ, play_chords

ROOT = Path(__file__).resolve().parents[2]
CPU = torch.device("cpu")
SIZE = 96
SIDE = SIZE // 3


def network(architecture: str, **options: Any) -> nn.Module:
    """Random weights from a fixed seed that need no gradient, as a classifier has them."""
    torch.manual_seed(0)
    return build_network(architecture, 3, **options).requires_grad_(False)


@pytest.fixture(scope="module")
def classifier(tiny_models: Path) -> GenreClassifier:
    return GenreClassifier.load(settings=Settings(models=tiny_models, model="tiny", device="cpu"))


@pytest.fixture(scope="module")
def explanation(classifier: GenreClassifier, music_wav: Path) -> Explanation:
    return explain(classifier, music_wav)


# Every kind of network


@pytest.mark.parametrize(
    ("architecture", "options", "places"),
    [
        ("vgg19_bn", {"direct": True}, (7, 7)),
        ("vgg11", {}, (7, 7)),
        ("resnet50", {"head": (8,)}, (7, 7)),
        ("densenet121", {}, (7, 7)),
        ("efficientnet_b0", {}, (7, 7)),
        ("mobilenetv3_large_100", {}, (7, 7)),
        ("mobilenetv3_large_100", {"head": (8,)}, (7, 7)),
        ("convnext_atto", {}, (7, 7)),
        ("swin_tiny_patch4_window7_224", {}, (7, 7)),
        ("vit_tiny_patch16_224", {"head": (8,)}, (14, 14)),
        ("vit_tiny_patch16_224", {"image_size": 112}, (7, 7)),
    ],
    ids=str,
)
def test_every_kind_of_network_is_explained(
    architecture: str, options: dict[str, Any], places: tuple[int, int]
) -> None:
    explained = network(architecture, **options)
    size = options.get("image_size", 224)
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    maps = [relevance(explained, image, itemgetter((slice(None), label))) for label in range(3)]
    for heat in maps:
        assert heat.shape == (1, *places)
        assert heat.min() >= 0
        assert torch.isfinite(heat).all()
    assert max(float(heat.max()) for heat in maps) > 0
    assert not torch.equal(maps[0], maps[1])


def test_a_map_leaves_the_network_as_it_was() -> None:
    explained = network("test_vit", image_size=SIZE)
    image = torch.randn(1, 3, SIZE, SIZE)
    with torch.inference_mode():
        before = explained(image)
    relevance(explained, image, lambda logits: logits[:, 0])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in explained.modules())
    assert not any(weight.requires_grad for weight in explained.parameters())
    with torch.inference_mode():
        assert torch.equal(explained(image), before)


def test_grad_cam_is_selvarajus() -> None:
    """Weights are the mean slopes of the last feature map's channels; the map is their positive weighted sum."""
    explained = network("test_resnet")
    image = torch.randn(1, 3, SIZE, SIZE)
    kept: list[Tensor] = []
    handle = explained.get_submodule("layer4").register_forward_hook(lambda *call: kept.append(call[-1]))
    slope = torch.autograd.grad(explained(image.requires_grad_())[0, 1], kept)[0]
    handle.remove()
    expected = (slope.mean(dim=(2, 3))[:, :, None, None] * kept[0]).sum(dim=1).clamp(min=0)
    assert torch.allclose(relevance(explained, image.detach(), lambda logits: logits[:, 1]), expected, atol=1e-6)


@pytest.mark.parametrize(
    "explained", [torchvision.models.resnet18(num_classes=3), nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 3))]
)
def test_a_network_that_cannot_be_explained_is_refused_in_words(explained: nn.Module) -> None:
    with pytest.raises(UnexplainableError, match=r"heat map of a .* is not possible"):
        relevance(explained.eval(), torch.zeros(1, 3, SIZE, SIZE), lambda logits: logits[:, 0])


# True to what the network goes by: upright or level stripes somewhere in noise


def striped(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Images (n, 3, S, S), their labels, and (row, column) where the stripes begin."""
    noise = 0.3 * torch.randn(n, 1, SIZE, SIZE, generator=generator)
    labels = torch.arange(n) % 2
    places = SIDE * torch.randint(0, SIZE // SIDE, (n, 2), generator=generator)
    stripes = torch.sign(torch.sin(torch.arange(SIDE) * torch.pi / 4 + 0.1)).expand(SIDE, SIDE)
    for image, label, (row, column) in zip(noise, labels, places, strict=True):
        image[0, row : row + SIDE, column : column + SIDE] += 1.5 * (stripes if label else stripes.T)
    return noise.expand(-1, 3, -1, -1), labels, places


@pytest.fixture(scope="module", params=["test_vit", "test_resnet"])
def trained(request: pytest.FixtureRequest) -> nn.Module:
    """A small network that tells the two kinds of stripes apart."""
    torch.manual_seed(0)
    student = build_network(request.param, 2, image_size=SIZE).train()
    optimiser = torch.optim.AdamW(student.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        images, labels, _ = striped(32, generator)
        loss = nn.functional.cross_entropy(student(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return student.eval().requires_grad_(False)


def test_the_map_points_at_what_decided(trained: nn.Module) -> None:
    images, labels, places = striped(16, torch.Generator().manual_seed(1))
    assert (trained(images).argmax(dim=1) == labels).float().mean() > 0.9
    inside = []
    for image, label, (row, column) in zip(images, labels, places, strict=True):
        sign = 1 - 2 * label  # for the first label against the second, or the other way round
        heat = relevance(trained, image[None], lambda logits, sign=sign: sign * (logits[:, 0] - logits[:, 1]))
        large = nn.functional.interpolate(heat[None], size=(SIZE, SIZE), mode="bilinear")[0, 0]
        inside.append(float(large[row : row + SIDE, column : column + SIDE].sum() / large.sum()))
    share_of_the_image = (SIDE / SIZE) ** 2
    assert np.mean(inside) > 3 * share_of_the_image


# Of a clip


def test_a_map_lies_in_the_coordinates_of_the_image(explanation: Explanation) -> None:
    heatmap = explanation.heatmap
    assert (heatmap.maps.shape, heatmap.maps.dtype) == ((1, 224, 224), np.float32)
    assert heatmap.grids.shape == (1, 14, 14)
    for values in (heatmap.maps, heatmap.grids):
        assert values.min() >= 0
        assert values.max() == 1
    hottest = np.unravel_index(heatmap.maps[0].argmax(), (224, 224))
    place = heatmap.hottest
    assert place
    assert place.frequency_hz
    assert place.time_s == pytest.approx((hottest[1] + 0.5) / 224 * 10)
    assert 0 < place.frequency_hz < 11_025


def test_without_a_label_the_best_is_explained(explanation: Explanation) -> None:
    best = explanation.analysis.prediction.top(1)[0]
    assert (explanation.heatmap.label, explanation.heatmap.probability) == (best.label, best.confidence)


def test_every_label_has_a_map_of_its_own(
    classifier: GenreClassifier, explanation: Explanation, music_wav: Path
) -> None:
    second = explanation.analysis.prediction.top(2)[1]
    other = explain(classifier, music_wav, second.label).heatmap
    assert (other.label, other.probability) == (second.label, pytest.approx(second.confidence))
    assert not np.allclose(other.grids, explanation.heatmap.grids, atol=0.1)


def test_a_label_that_the_model_does_not_know_is_refused_before_any_work(classifier: GenreClassifier) -> None:
    with pytest.raises(RequestError, match=r"label is 'Polka'.*Jazz"):
        explain(classifier, "no such file", "Polka")


def test_a_long_clip_is_explained_where_the_genre_is_most_probable(classifier: GenreClassifier, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.concatenate([play_chords(30, seed=seed)[::4] for seed in range(5)]), RATE_HZ // 4)
    explained = explain(classifier, path, "Jazz", duration_s=None)
    windows = explained.analysis.window_probabilities[:, GENRES.index("Jazz")]
    assert len(windows) == explained.heatmap.n_windows == 15
    chosen = [round(start_s / 10) for start_s in explained.heatmap.start_s]
    assert chosen == sorted(windows.topk(MAX_WINDOWS).indices.tolist())
    clip = explained.heatmap.over_clip(150.0, max_columns=2000)
    assert clip.shape == (224, 2000)
    silent = next(index for index in range(15) if index not in chosen)
    columns = slice(round(2000 / 15 * silent) + 1, round(2000 / 15 * (silent + 1)) - 1)
    assert not clip[:, columns].any()
    assert clip.any()


def test_figure_style_models_with_labels_of_their_own_are_explained(music_wav: Path) -> None:
    spec = ModelSpec(
        name="figures",
        architecture="test_resnet",
        labels=("Tango", "Waltz", "Polka"),
        front_end=upstream_front_end("cqt"),
        windows=UPSTREAM_WINDOWS,
    )
    heatmap = explain(GenreClassifier(network("test_resnet"), spec, device=CPU), music_wav, "Polka").heatmap
    assert heatmap.label == "Polka"
    assert heatmap.method == "grad_cam"
    assert heatmap.maps.shape == (1, 224, 224)
    assert heatmap.window_s == 11.4


# Faithful on real clips: the checks of benchmarks.heatmap on a small scale


@pytest.fixture(scope="module")
def default_model() -> GenreClassifier:
    return GenreClassifier.load(settings=Settings(models=ROOT / "models", device="cpu"))


@pytest.mark.parametrize(("name", "times"), [(DEFAULT_MODEL, 1.5), ("resnet50", 2.0)])
def test_the_hottest_fifth_matters_more_than_the_same_shape_elsewhere(name: str, times: float) -> None:
    model = GenreClassifier.load(name, settings=Settings(models=ROOT / "models", device="cpu"))
    rng = np.random.default_rng(0)
    drops: dict[str, list[float]] = {OURS: [], RANDOM: []}
    for clip in read_examples(ROOT / "examples"):
        analysis = model.analyse(clip.path)
        masked = mask(model, analysis, analysis.prediction.top(1)[0].label, draws=3, rng=rng, alternatives={})
        for method, values in drops.items():
            values.append(masked.drops[method])
    assert np.mean(drops[OURS]) > times * np.mean(drops[RANDOM])


def test_the_default_models_map_changes_with_its_weights(default_model: GenreClassifier) -> None:
    analysis = default_model.analyse(ROOT / "examples" / "starfall.mp3")
    other = explain(with_shuffled_weights(default_model), ROOT / "examples" / "starfall.mp3", "Rock").heatmap
    ours = explain(default_model, ROOT / "examples" / "starfall.mp3", "Rock").heatmap
    assert analysis.prediction.probabilities["Rock"] == ours.probability
    assert rank_correlation(ours.grids[0], ours.grids[0]) == pytest.approx(1)
    assert abs(rank_correlation(ours.grids[0], other.grids[0])) < 0.7


def test_a_fifth_is_painted_at_each_frequencys_mean() -> None:
    cells = hottest_cells(torch.arange(100.0).reshape(10, 10))
    assert cells.sum() == 20
    assert cells[8:].all()
    image = torch.zeros(3, 200, 200, dtype=torch.uint8)
    image[:, :, :100] = 200
    over = painted(image, cells)
    assert (over[:, 160:] == 100).all()
    assert torch.equal(over[:, :160], image[:, :160])


# Drawn


def a_heatmap(grid: np.ndarray, **changes: object) -> Heatmap:  # type: ignore[type-arg]
    maps = np.repeat(np.repeat(grid, 16, axis=1), 16, axis=2)
    heatmap = Heatmap(
        label="Jazz",
        probability=0.5,
        method="attention",
        grids=grid,
        maps=maps,
        start_s=(0.0,),
        window_s=10.0,
        n_windows=1,
        hottest=None,
    )
    return replace(heatmap, **changes)  # type: ignore[arg-type]


def test_windows_lie_side_by_side_on_the_time_axis() -> None:
    grids = np.stack([np.full((14, 14), 1.0), np.full((14, 14), 0.5)]).astype(np.float32)
    clip = a_heatmap(grids, start_s=(0.0, 20.0), n_windows=3).over_clip(30.0, max_columns=300)
    assert clip.shape == (224, 300)
    assert (clip[:, :100] == 1).all()
    assert not clip[:, 100:200].any()
    assert (clip[:, 200:] == 0.5).all()


def test_heat_is_drawn_where_it_lies_and_clear_elsewhere(explanation: Explanation) -> None:
    grid = np.zeros((1, 14, 14), dtype=np.float32)
    grid[0, :7, :7] = 1  # high frequencies, first half
    images = explanation.analysis.images
    drawn = pixels(heatmap_drawing(images, a_heatmap(grid))())
    colour = drawn.max(axis=2) - drawn.min(axis=2)
    plot = colour[20:560, 100:1400]
    assert plot[:250, :600].mean() > 50
    assert plot[300:].mean() < 5
    assert plot[:, 700:].mean() < 5
    overlay = np.asarray(Image.open(io.BytesIO(heat_png(level_grid(images), a_heatmap(grid)))))
    assert overlay.shape == (224, 224, 4)
    assert (overlay[:111, :111, 3] == 255).all()
    assert not overlay[113:, :, 3].any()


class LoudIsFirst(nn.Module):
    """Answers the first label wherever a log-mel is loud."""

    num_features = 1

    def forward_features(self, log_mels: Tensor) -> Tensor:
        return log_mels.relu()

    def forward_head(self, features: Tensor) -> Tensor:
        loudness = features.mean((1, 2, 3))
        return torch.stack([loudness, -loudness], 1)

    def forward(self, log_mels: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(log_mels))


@pytest.mark.parametrize("tone_hz", [400.0, 6000.0])
def test_heat_of_a_network_that_is_fed_log_mels_lies_at_their_frequency(tone_hz: float, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * tone_hz * np.arange(10 * 32_000) / 32_000)
    soundfile.write(tmp_path / "tone.wav", tone, 32_000)
    spec = ModelSpec(name="loud", architecture="efficientat_mn04", labels=("A", "B"), front_end=EFFICIENTAT_MEL)
    place = explain(GenreClassifier(LoudIsFirst(), spec, device=CPU), tmp_path / "tone.wav", "A").heatmap.hottest
    assert place is not None
    assert place.frequency_hz == pytest.approx(tone_hz, rel=0.1)


def test_a_map_of_one_row_tells_when_and_no_frequency() -> None:
    heatmap = explain(GenreClassifier.load("musicnn", device="cpu"), read_examples()[0].path).heatmap
    assert heatmap.grids.shape[1] == 1
    assert heatmap.hottest
    assert heatmap.hottest.frequency_hz is None
    assert heatmap.band(np.geomspace(50, 11_025, 96)) is None


def hot(rows: slice, columns: slice) -> Heatmap:
    grid = np.zeros((1, 12, 12), dtype=np.float32)
    grid[:, rows, columns] = 1
    return a_heatmap(grid)


@pytest.mark.parametrize(
    ("rows", "band"), [(slice(10, 12), "low"), (slice(6, 8), "middle"), (slice(0, 3), "high"), (slice(0, 12), "spread")]
)
def test_most_of_the_heat_lies_in_a_band_of_frequencies(rows: slice, band: str) -> None:
    centres_hz = np.geomspace(50, 11_025, 96)
    assert hot(rows, slice(0, 12)).band(centres_hz) == band


@pytest.mark.parametrize(
    ("columns", "moment"),
    [
        (slice(0, 3), "start"),
        (slice(5, 7), "middle"),
        (slice(9, 12), "end"),
        (slice(0, 12), "throughout"),
        (slice(0, 12, 4), "places"),
    ],
)
def test_most_of_the_heat_lies_in_a_part_of_the_time(columns: slice, moment: str) -> None:
    heatmap = hot(slice(0, 12), columns)
    assert heatmap.moment(10.0) == moment
    assert replace(heatmap, n_windows=2).moment(20.0) is None
