"""OpenVINO: networks converted for CPUs, in float32, in bfloat16 and, by post-training quantisation (NNCF), in 8 bits.

The two libraries are the extra `openvino`; they are imported when they are needed, which takes seconds.
"""

from __future__ import annotations

import importlib.metadata
import logging
import math
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

#: Operations of a network that multiply and add nothing.
_NOT_COMPUTED: Final = ("Constant", "Parameter", "Result")

#: What `ov::disable_fp16_compression` puts on an operation. OpenVINO 2026.4 stores it as "DisablePrecisionConversion",
#: and its CPU plugin heeds it for bfloat16, too.
_STAYS_FLOAT32: Final = "precise_0"

#: Shares of a network that stay in float32, tried in this order until it passes the equivalence check: the fastest
#: first.
SHARES: Final = (0.0, 0.05, 0.2)


class OpenVinoBackend:
    """A converted network on the CPU.

    Args:
        file: the .xml of an OpenVINO network, with its .bin beside it.
        name: "openvino-fp32", "openvino-bf16" (the same file, or one of `exclude_first`, computed in bfloat16) or
            "openvino-int8".
        n_threads: threads that compute; None is as many as PyTorch has.

    Raises:
        RuntimeError: the file is damaged, or not OpenVINO's.
    """

    def __init__(self, file: Path, *, name: str, n_threads: int | None = None) -> None:
        keep_quiet()
        import openvino

        self.name = name
        self._compiled: Any = openvino.Core().compile_model(file, "CPU", compile_options(name, n_threads))

    def logits(self, batch: Tensor) -> Tensor:
        """See `Backend`."""
        return torch.from_numpy(self._compiled(batch.numpy())[0].copy())


def compile_options(name: str, n_threads: int | None = None) -> dict[str, Any]:
    """How OpenVINO is to compute; arguments as for `OpenVinoBackend`."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        # said in any case: where the CPU has bfloat16, OpenVINO would take it for float32 unasked
        "INFERENCE_PRECISION_HINT": "bf16" if name == "openvino-bf16" else "f32",
        "INFERENCE_NUM_THREADS": n_threads or torch.get_num_threads(),
    }


def keep_quiet() -> None:
    """Keeps OpenVINO and NNCF from reporting their use over the internet, which they do unless their module for it is
    missing. To be called before either is imported.
    """
    sys.modules.setdefault("openvino_telemetry", cast(Any, None))


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 numbers by itself (AVX512-BF16 or AMX)."""
    keep_quiet()
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def library_versions() -> tuple[str, str] | None:
    """Versions of OpenVINO and NNCF; None when they are not installed."""
    try:
        return importlib.metadata.version("openvino"), importlib.metadata.version("nncf")
    except importlib.metadata.PackageNotFoundError:
        return None


def convert(network: nn.Module, input_shape: tuple[int, int, int], file: Path) -> None:
    """Writes a PyTorch network as OpenVINO's, in float32 and for any number of inputs: `file` (.xml) and a .bin."""
    keep_quiet()
    import openvino

    example = torch.zeros(1, *input_shape)
    with warnings.catch_warnings():
        # of shape checks, which come out the same for all images
        warnings.filterwarnings("ignore", category=Warning, module="torch|timm")
        converted = openvino.convert_model(network, example_input=example)
    converted.reshape([-1, *input_shape])
    openvino.save_model(converted, file, compress_to_fp16=False)


def exclude_first(source: Path, share: float, file: Path) -> None:
    """Writes a converted network so that its first operations stay in float32 where it is computed in bfloat16.

    Where bfloat16 changes answers, as of MobileNetV3 and EfficientNet, the first layers do most of it: they have few
    weights and few channels, and everything after them builds on what these say.

    Args:
        source: what `convert` wrote.
        share: of all operations, 0..1.
        file: .xml to write.
    """
    keep_quiet()
    import openvino

    network = openvino.Core().read_model(source)
    operations = [each for each in network.get_ordered_ops() if each.get_type_name() not in _NOT_COMPUTED]
    for operation in operations[: math.ceil(share * len(operations))]:
        operation.get_rt_info()[_STAYS_FLOAT32] = True
    openvino.save_model(network, file, compress_to_fp16=False)


def quantise(source: Path, images: Sequence[Tensor], share: float, file: Path) -> None:
    """Writes a converted network in 8 bits.

    Args:
        source: what `convert` wrote.
        images: what the ranges of the layers' outputs are measured on, float32 as the network is fed, each.
        share: of the layers with weights, at either end of the network, which stay in float32: the first see the image
            and the last write the answer, and errors there cost most.
        file: .xml to write.
    """
    keep_quiet()
    import nncf
    import openvino
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    logging.getLogger("nncf").setLevel(logging.ERROR)
    network = openvino.Core().read_model(source)
    is_transformer = any(operation.get_type_name() == "ScaledDotProductAttention" for operation in network.get_ops())
    quantised = nncf.quantize(
        network,
        nncf.Dataset([image[None].numpy() for image in images]),
        subset_size=len(images),
        model_type=nncf.ModelType.TRANSFORMER if is_transformer else None,
        ignored_scope=nncf.IgnoredScope(names=_ends(network, share), validate=False),
        # Without VNNI, CPUs add two products in 16 bits, which full 8-bit weights overflow.
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.FIRST_LAYER if _has_vnni() else OverflowFix.ENABLE
        ),
    )
    openvino.save_model(quantised, file, compress_to_fp16=False)


def _ends(network: Any, share: float) -> list[str]:
    """Names of the first and the last layers with weights, `share` of all at either end."""
    layers = [
        operation.get_friendly_name()
        for operation in network.get_ordered_ops()
        if operation.get_type_name() in ("Convolution", "GroupConvolution", "MatMul")
    ]
    count = math.ceil(share * len(layers))
    return [*layers[:count], *layers[len(layers) - count :]]


def _has_vnni() -> bool:
    """Whether the CPU multiplies 8-bit numbers into 32 bits; where nobody says, no."""
    try:
        return "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
