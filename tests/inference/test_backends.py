"""Backends: the same outputs from each, shared passes that are fair, and memory that runs out without harm."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from acousticsense.errors import OverloadError
from acousticsense.inference.backends import SharedForward, TorchBackend, best_precision, to_device
from acousticsense.models.networks import build_network

CPU = torch.device("cpu")


class Recorder:
    """Doubles every row, remembers the sizes of its batches, and fails on NaN; it may run `passes` times."""

    def __init__(self, passes: int = 1000) -> None:
        self.batches: list[int] = []
        self.passes = threading.Semaphore(passes)
        self.is_running = threading.Event()

    def __call__(self, batch: Tensor) -> Tensor:
        self.is_running.set()
        assert self.passes.acquire(timeout=60)
        self.batches.append(len(batch))
        if batch.isnan().any():
            raise ValueError("not a number")
        return 2 * batch


def rows(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def ask_in_order(pool: ThreadPoolExecutor, shared: SharedForward, batches: list[Tensor]) -> list[Future[Tensor]]:
    """Asks for each batch when the one before it waits."""
    futures = []
    for count, batch in enumerate(batches, start=1):
        futures.append(pool.submit(shared, batch))
        while len(shared._waiting) < count:
            time.sleep(0.001)
    return futures


def together(recorder: Recorder, shared: SharedForward, batches: list[Tensor]) -> list[Tensor | BaseException]:
    """The answers to batches that all arrive while a first one is computed."""
    with ThreadPoolExecutor(len(batches) + 1) as pool:
        first = pool.submit(shared, rows(0))
        assert recorder.is_running.wait(60)
        futures = ask_in_order(pool, shared, batches)
        recorder.passes.release(1000)
        assert first.result(60).tolist() == [[0]]
        return [future.exception(60) or future.result() for future in futures]


def test_a_lone_request_is_computed_at_once() -> None:
    recorder = Recorder()
    assert SharedForward(recorder, max_batch=4)(rows(1, 2)).tolist() == [[2], [4]]
    assert recorder.batches == [2]


def test_a_long_request_is_computed_in_parts() -> None:
    recorder = Recorder()
    answer = SharedForward(recorder, max_batch=4)(torch.arange(10.0)[:, None])
    assert torch.equal(answer, 2 * torch.arange(10.0)[:, None])
    assert recorder.batches == [4, 4, 2]


def test_requests_that_wait_share_a_pass_and_get_their_own_rows() -> None:
    recorder = Recorder(passes=0)
    answers = together(recorder, SharedForward(recorder, max_batch=8), [rows(1), rows(2, 3), rows(4)])
    assert [answer.tolist() for answer in answers if isinstance(answer, Tensor)] == [[[2]], [[4], [6]], [[8]]]
    assert recorder.batches == [1, 4]


def test_a_whole_track_does_not_hold_up_the_clips_behind_it() -> None:
    recorder = Recorder(passes=0)
    shared = SharedForward(recorder, max_batch=4)
    with ThreadPoolExecutor(3) as pool:
        track = pool.submit(shared, torch.ones(40, 1))
        assert recorder.is_running.wait(60)
        clips = ask_in_order(pool, shared, [rows(1), rows(2)])
        recorder.passes.release(2)
        assert [clip.result(60).item() for clip in clips] == [2, 4]
        assert not track.done()
        recorder.passes.release(1000)
        assert torch.equal(track.result(60), 2 * torch.ones(40, 1))
    assert sum(recorder.batches) == 42


def test_one_bad_request_fails_alone() -> None:
    recorder = Recorder(passes=0)
    good, bad, also_good = together(
        recorder, SharedForward(recorder, max_batch=8), [rows(1), rows(float("nan")), rows(3)]
    )
    assert isinstance(bad, ValueError)
    assert isinstance(good, Tensor)
    assert isinstance(also_good, Tensor)
    assert good.tolist() == [[2]]
    assert also_good.tolist() == [[6]]


def test_more_requests_than_fit_in_a_pass_are_all_answered() -> None:
    recorder = Recorder(passes=0)
    answers = together(recorder, SharedForward(recorder, max_batch=4), [rows(value) for value in range(11)])
    assert [answer.item() for answer in answers if isinstance(answer, Tensor)] == [2 * value for value in range(11)]
    assert max(recorder.batches) <= 4


class Narrow(nn.Module):
    """Runs out of memory beyond a number of images, as a GPU does."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.batches: list[int] = []

    def forward(self, batch: Tensor) -> Tensor:
        self.batches.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch.mean((2, 3))


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_stay_small() -> None:
    network = Narrow(room=3)
    backend = TorchBackend(network, CPU)
    images = torch.randn(8, 3, 4, 4)
    assert torch.allclose(backend.logits(images), images.mean((2, 3)))
    assert network.batches == [8, 4, 2, 2, 2, 2]
    backend.logits(images)
    assert network.batches[6:] == [2, 2, 2, 2]


def test_a_device_without_room_for_one_image_says_so() -> None:
    with pytest.raises(OverloadError, match="cpu has not enough free memory"):
        TorchBackend(Narrow(room=0), CPU).logits(torch.randn(4, 3, 4, 4))


@pytest.mark.parametrize("architecture", ["vit_tiny_patch16_224", "mobilenetv3_small_100"])
def test_half_the_bits_and_another_layout_give_nearly_the_same(architecture: str) -> None:
    torch.manual_seed(0)
    network = build_network(architecture, 16)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        expected = network(images)
    assert torch.allclose(TorchBackend(network, CPU).logits(images), expected, atol=1e-4)
    half = TorchBackend(network, CPU, precision="bf16")
    assert half.name == "pytorch-bf16"
    outputs = half.logits(images)
    assert outputs.dtype == torch.float32
    assert torch.allclose(outputs.softmax(1), expected.softmax(1), atol=0.01)


def test_cpus_compute_in_float32() -> None:
    assert best_precision(CPU) == "fp32"


def test_weights_stay_as_they_were_for_those_who_want_gradients() -> None:
    backend = TorchBackend(build_network("mobilenetv3_small_100", 16), CPU, precision="bf16")
    assert {parameter.dtype for parameter in backend.network.parameters()} == {torch.float32}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("architecture", ["vit_base_patch16_224", "resnet50"])
def test_a_gpu_agrees_with_the_cpu(architecture: str) -> None:
    torch.manual_seed(0)
    device = torch.device("cuda")
    network = build_network(architecture, 16)
    images = torch.randn(5, 3, 224, 224)
    expected = TorchBackend(network, CPU).logits(images)
    answer = TorchBackend(network, device, precision=best_precision(device)).logits(images)
    assert torch.allclose(answer.softmax(1), expected.softmax(1), atol=0.02)
    assert to_device(images, device).device.type == "cuda"
