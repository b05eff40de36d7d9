"""Finding the fastest way to compute a model on this machine that gives the same answers.

A network is converted and quantised once, compared with the trained one on real music, timed against it, and what wins
is kept on disk for every later start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch

from acousticsense.inference.backends.openvino import (
    SHARES,
    OpenVinoBackend,
    convert,
    exclude_first,
    has_bfloat16,
    quantise,
)
from acousticsense.inference.backends.selection import network_key
from acousticsense.inference.backends.store import NetworkStore
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.equivalence_data import EquivalenceData
from acousticsense.inference.trials import Comparison, Outcome, Trial

logger = logging.getLogger(__name__)

#: A network that is not faster by this factor is not worth its memory.
_WORTHWHILE: Final = 1.05


def accelerate(
    classifier: GenreClassifier, store: NetworkStore, data: EquivalenceData, *, wanted: str, again: bool = True
) -> Outcome | None:
    """Converts, quantises, compares, times, and keeps what wins in the store, in place of what was there.

    Args:
        classifier: a model on the CPU; it is not changed.
        wanted: "auto" for the fastest that passes the equivalence check, "openvino" for float32, "openvino-int8" for
            8 bits where they pass it.
        again: also when the store knows the answer already; otherwise there is then nothing to do, and None.

    Raises:
        OSError: the store cannot be written, or the disk is full.
        ImportError: OpenVINO or NNCF is not installed.
    """
    with store.exclusive() as scratch:
        if not again and store.get(network_key(classifier.spec, wanted)):
            return None
        started = time.perf_counter()
        comparison = Comparison(classifier, data)
        files = _try_all(comparison, scratch, wanted)
        chosen = _choose(comparison.trials, wanted)
        outcome = Outcome(
            model=classifier.spec.name,
            chosen=chosen.backend,
            trials=tuple(comparison.trials),
            data=data.source,
            n_threads=torch.get_num_threads(),
            took_s=round(time.perf_counter() - started, 1),
        )
        file = files.get((chosen.backend, chosen.excluded))
        write = None if file is None else _writer(file)
        store.put(network_key(classifier.spec, wanted), outcome.to_dict(), write)
    return outcome


def _try_all(comparison: Comparison, folder: Path, wanted: str) -> dict[tuple[str, float], Path]:
    """Tries float32, bfloat16 where the CPU has it and nobody asked for another, and 8 bits, the last two with more and
    more layers excluded until they pass; the file of each."""
    plain = folder / "fp32.xml"
    spec = comparison.classifier.spec
    convert(comparison.classifier.network, spec.front_end.input_shape(spec.windows), plain)
    files = {("openvino-fp32", 0.0): plain}
    comparison.add(OpenVinoBackend(plain, name="openvino-fp32"), excluded=0.0)
    if wanted == "auto" and has_bfloat16():
        files |= _try_bfloat16(comparison, plain)
    for share in SHARES if wanted != "openvino" else ():
        file = folder / f"int8-{share}.xml"
        quantise(plain, comparison.calibration, share, file)
        files["openvino-int8", share] = file
        if comparison.add(OpenVinoBackend(file, name="openvino-int8"), excluded=share):
            break
    return files


def _try_bfloat16(comparison: Comparison, plain: Path) -> dict[tuple[str, float], Path]:
    name = "openvino-bf16"
    files = {(name, 0.0): plain}
    if comparison.add(OpenVinoBackend(plain, name=name), excluded=0.0):
        return files
    for share in SHARES[1:]:
        files[name, share] = plain.with_name(f"bf16-{share}.xml")
        exclude_first(plain, share, files[name, share])
        try:
            if comparison.add(OpenVinoBackend(files[name, share], name=name), excluded=share):
                break
        except RuntimeError as error:
            # OpenVINO 2026.4 cannot add float32 to what a convolution gives in bfloat16, as a ResNet may ask.
            logger.info("%s: %s excluding %s is passed over: %s", comparison.classifier.spec.name, name, share, error)
    return files


def _choose(trials: list[Trial], wanted: str) -> Trial:
    """The fastest that passed; PyTorch, the first, unless another is worth it. A named backend need not be faster."""
    passed = [trial for trial in trials[1:] if trial.equivalence.passed]
    if wanted != "auto":
        named = [trial for trial in passed if trial.backend == wanted]
        return named[0] if named else passed[0] if passed else trials[0]
    best = min(passed, key=lambda trial: trial.latency_ms, default=trials[0])
    return best if best.latency_ms * _WORTHWHILE < trials[0].latency_ms else trials[0]


def _writer(source: Path) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        for suffix in (".xml", ".bin"):
            source.with_suffix(suffix).rename(file.with_suffix(suffix))

    return write
