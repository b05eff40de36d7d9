"""How near each network comes to what this machine can do: measured time over the floor of measured rates.

    python -m benchmarks.roofline [--model NAME ...] [--json OUT]

The floor of a network is the larger of two times: its operations at the rate at which large matrices are multiplied in
its number format, and its weights at the rate at which memory is read. Both rates are measured in the same run, with
the library that computes the network. Operations in a format that the converted network does not use everywhere are
counted as if it did: the floor of 8 bits is a floor indeed. What is above the floor is told apart by the libraries' own
profiles: multiplications, which are slower in a network's small layers than in the large ones that give the rate, and
everything else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from acousticsense.inference.backends import Backend
from acousticsense.inference.backends.openvino import (
    OpenVinoBackend,
    compile_options,
    has_bfloat16,
    keep_quiet,
    library_versions,
)
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.models.catalog import Catalog
from acousticsense.settings import Settings
from benchmarks.common import backends, machine, medians_in_turns, parser, stored_network, tell

#: A stack of square layers: large enough for the best rate, small enough for a second.
_WIDTH = 2048
_ROWS = 1024
_LAYERS = 4
_COPIED_BYTES = 256 * 2**20
_ROUNDS = 12
_BUDGET_S = 15.0
_PROFILED = 20
#: Operations that multiply matrices, as PyTorch and as OpenVINO call them. Attention is among them, softmax and all.
_MULTIPLYING = {
    *("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::_scaled_dot_product_flash_attention_for_cpu"),
    *("aten::mkldnn_convolution", "aten::_slow_conv2d_forward", "aten::thnn_conv2d", "aten::cudnn_convolution"),
    *("FullyConnected", "MatMul", "Convolution", "GroupConvolution", "ScaledDotProductAttention", "Subgraph"),
}
_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "int8": 1}


def main() -> None:
    """Measures and prints."""
    options_parser = parser(__doc__)
    options_parser.add_argument("--all", action="store_true", help="every installed model instead of one")
    options = options_parser.parse_args()
    settings = Settings()
    names = [entry.name for entry in Catalog(settings.models).list() if entry.spec] if options.all else [options.model]
    with tempfile.TemporaryDirectory() as folder:
        rates = matrix_rates(Path(folder))
    gbytes_per_s = memory_gbytes_per_s()
    rows = [row for name in names for row in network_rows(name, settings, rates, gbytes_per_s)]
    result = {"machine": machine(), "gflop_per_s": rates, "memory_gb_per_s": gbytes_per_s, "networks": rows}
    tell(result, as_table(result), options.json)


def matrix_rates(folder: Path) -> dict[str, float]:
    """Number format and library -> billions of operations (a multiplication and an addition are two) per second."""
    stack = nn.Sequential(*(nn.Linear(_WIDTH, _WIDTH, bias=False) for _ in range(_LAYERS))).eval()
    rows = torch.randn(1, _ROWS, _WIDTH)
    runs: dict[str, Callable[[], object]] = {"pytorch-fp32": _in_pytorch(stack, rows)}
    if library_versions():
        for name, file in _converted(stack, rows, folder).items():
            backend = OpenVinoBackend(file, name=name)
            runs[name] = partial(backend.logits, rows)
    if torch.cuda.is_available():
        half = stack.to("cuda", torch.bfloat16)
        on_gpu = torch.randn(1, 16 * _ROWS, _WIDTH, device="cuda", dtype=torch.bfloat16)
        runs = {"pytorch-bf16": _in_pytorch(half, on_gpu)}
    operations = 2 * _LAYERS * (16 * _ROWS if torch.cuda.is_available() else _ROWS) * _WIDTH**2
    medians = medians_in_turns(runs, rounds=_ROUNDS, budget_s=_BUDGET_S)
    return {name: operations / ms / 1e6 for name, ms in medians.items()}


def _in_pytorch(stack: nn.Module, rows: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            answer = stack(rows)
        if answer.is_cuda:
            torch.cuda.synchronize()
        return answer

    return run


def _converted(stack: nn.Module, rows: Tensor, folder: Path) -> dict[str, Path]:
    """The stack as OpenVINO's, in float32, where the CPU has it in bfloat16, and in 8 bits."""
    keep_quiet()
    import nncf
    import openvino

    plain = openvino.convert_model(stack, example_input=rows)
    openvino.save_model(plain, folder / "fp32.xml", compress_to_fp16=False)
    eight_bit = nncf.quantize(plain, nncf.Dataset([rows.numpy()]), subset_size=1)
    openvino.save_model(eight_bit, folder / "int8.xml", compress_to_fp16=False)
    half = {"openvino-bf16": folder / "fp32.xml"} if has_bfloat16() else {}
    return {"openvino-fp32": folder / "fp32.xml", **half, "openvino-int8": folder / "int8.xml"}


def memory_gbytes_per_s() -> float:
    """Bytes read and written per second by a large copy, in billions."""
    source = torch.zeros(_COPIED_BYTES, dtype=torch.uint8, device="cuda" if torch.cuda.is_available() else "cpu")
    target = torch.empty_like(source)

    def copy() -> object:
        target.copy_(source)
        if source.is_cuda:
            torch.cuda.synchronize()
        return target

    ms = medians_in_turns({"copy": copy}, rounds=_ROUNDS, budget_s=_BUDGET_S)["copy"]
    return 2 * _COPIED_BYTES / ms / 1e6


def network_rows(
    name: str | None, settings: Settings, rates: dict[str, float], gbytes_per_s: float
) -> list[dict[str, Any]]:
    """Floor, time and their ratio for each way in which a network can be computed here, one window at a time."""
    classifier = GenreClassifier.load(name, settings=settings)
    window = torch.randn(1, *classifier.spec.front_end.input_shape(classifier.spec.windows))
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        classifier.network(window.to(classifier.device))
    operations = counter.get_total_flops()
    weights = sum(parameter.numel() for parameter in classifier.network.parameters())
    found = backends(classifier, settings)
    stored = stored_network(classifier, settings)
    runs: dict[str, Callable[[], object]] = {label: partial(backend.logits, window) for label, backend in found.items()}
    rows = []
    for label, ms in medians_in_turns(runs, rounds=_ROUNDS, budget_s=_BUDGET_S).items():
        if label not in rates:
            continue
        compute_ms = operations / rates[label] / 1e6
        memory_ms = weights * _BYTES[label.rpartition("-")[2]] / gbytes_per_s / 1e6
        floor_ms = max(compute_ms, memory_ms)
        if label.startswith("openvino") and stored:
            share = _share_in_openvino(stored[1], label, window)
        elif classifier.device.type == "cpu":
            share = _share_in_pytorch(found[label], window)
        else:
            share = None  # kernels of a GPU run beside what starts them, and are not told apart here
        rows.append(
            {
                "model": classifier.spec.name,
                "backend": label,
                "gflop": operations / 1e9,
                "floor_ms": floor_ms,
                "bound_by": "arithmetic" if compute_ms >= memory_ms else "memory",
                "ms": ms,
                "over_floor": ms / floor_ms,
                "multiplying_ms": None if share is None else share * ms,
                "other_ms": None if share is None else (1 - share) * ms,
            }
        )
    return rows


def _share_in_pytorch(backend: Backend, window: Tensor) -> float:
    """Share of the time that multiplications take."""
    with torch.profiler.profile() as profile:
        for _ in range(_PROFILED):
            backend.logits(window)
    return _multiplying({event.key: event.self_cpu_time_total for event in profile.key_averages()})


def _share_in_openvino(file: Path, name: str, window: Tensor) -> float:
    """Share of the time that multiplications take; a "Subgraph" is attention, or what was fused around it."""
    import openvino

    compiled = openvino.Core().compile_model(file, "CPU", {**compile_options(name), "PERF_COUNT": True})
    request = compiled.create_infer_request()
    times: dict[str, float] = {}
    for _ in range(_PROFILED):
        request.infer([window.numpy()])
        for part in request.get_profiling_info():
            times[part.node_type] = times.get(part.node_type, 0.0) + part.real_time.total_seconds()
    return _multiplying(times)


def _multiplying(times: dict[str, float]) -> float:
    """Of times by operation, the share of those that multiply."""
    return sum(time for name, time in times.items() if name in _MULTIPLYING) / sum(times.values())


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def as_table(result: dict[str, Any]) -> str:
    """The result for a terminal."""
    rows = [f"{'memory':>16}{result['memory_gb_per_s']:10.1f} GB/s"]
    rows += [f"{name:>16}{rate:10.1f} GFLOP/s" for name, rate in result["gflop_per_s"].items()]
    rows += [
        "",
        f"{'':<22}{'':<16}{'GFLOP':>8}{'floor ms':>10}{'ms':>8}{'over':>8}{'multiplying':>13}{'other':>8}  bound by",
    ]
    rows += [
        f"{row['model']:<22}{row['backend']:<16}{row['gflop']:8.1f}{row['floor_ms']:10.1f}{row['ms']:8.1f}"
        f"{row['over_floor']:7.2f}x{_ms(row['multiplying_ms']):>13}{_ms(row['other_ms']):>8}  {row['bound_by']}"
        for row in result["networks"]
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
