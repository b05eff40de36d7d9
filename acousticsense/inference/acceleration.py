"""Finding the fastest way to compute a model on this machine that gives the same answers, without anybody waiting.

A network is converted and quantised once, compared with the trained one on real music, timed against it, and what wins
is kept on disk for every later start. All that happens in a process of its own at low priority, while PyTorch
answers; it takes minutes and up to 2 GiB, and the system may end it before the server when memory is short.
"""

from __future__ import annotations

import logging
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from acousticsense.inference.backends import Backend, TorchBackend
from acousticsense.inference.backends.equivalence import GateReport, compare
from acousticsense.inference.backends.openvino import (
    RECIPES,
    SHARES,
    OpenVinoBackend,
    convert,
    has_bfloat16,
    library_versions,
    quantise,
    spare_first,
)
from acousticsense.inference.backends.selection import network_key, network_store, stored_backend
from acousticsense.inference.backends.store import NetworkStore
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.equivalence_data import GateMusic
from acousticsense.settings import Settings
from acousticsense.spectrogram.images import normalise

__all__ = ["Accelerator", "Outcome", "Trial", "accelerate", "become_unimportant"]

logger = logging.getLogger(__name__)

#: Images in one forward pass of a comparison.
_BATCH: Final = 8
#: Timed passes of each network, in turns, so that a machine that slows down slows all of them down.
_ROUNDS: Final = 9
#: A network that is not faster by this factor is not worth its memory.
_WORTHWHILE: Final = 1.05
#: Leaves a busy server nine tenths of the processor, and still comes to an end there.
_NICENESS: Final = 10
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One way to compute the network.

    Attributes:
        backend: its name.
        spared: share that stayed in float32: with 8 bits of the layers with weights, at either end; with bfloat16 of
            all operations, the first.
        gate: how its answers differ from those of the trained network.
        latency_ms: median time for one window, in turns with the others.
    """

    backend: str
    spared: float
    gate: GateReport
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was tried for a model on this machine.

    Attributes:
        model: its name.
        chosen: name of the backend that will answer.
        trials: PyTorch first, then in the order in which they were tried.
        music: what they were compared on.
        n_threads: that each computed with.
        took_s: seconds it took to find out.
    """

    model: str
    chosen: str
    trials: tuple[Trial, ...]
    music: str
    n_threads: int
    took_s: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def to_table(self) -> str:
        """For a terminal."""
        rows = [f"{self.model}, compared on {self.music}, {self.n_threads} threads, found out in {self.took_s:.0f} s"]
        rows.append(f"{'':<22}{'ms':>8}{'speed':>8}{'windows':>9}{'same Top-1':>12}{'mean change':>13}{'largest':>9}")
        for trial in self.trials:
            gate, speed = trial.gate, self.trials[0].latency_ms / trial.latency_ms
            name = f"{trial.backend}{f' spare {trial.spared:.0%}' if trial.spared else ''}"
            rows.append(
                f"{name:<22}{trial.latency_ms:>8.1f}{speed:>7.2f}x{gate.n_windows:>9}{gate.agreement:>12.2%}"
                f"{gate.mean_change:>13.5f}{gate.max_change:>9.4f}{'' if gate.passed else '  refused'}"
            )
        return "\n".join([*rows, f"chosen: {self.chosen}"])


def accelerate(
    classifier: GenreClassifier, store: NetworkStore, music: GateMusic, *, wanted: str, again: bool = True
) -> Outcome | None:
    """Converts, quantises, compares, times, and keeps what wins in the store, in place of what was there.

    Args:
        classifier: a model on the CPU; it is not changed.
        store: where to keep the winner.
        music: what to calibrate and to compare on.
        wanted: "auto" for the fastest that passes the gate, "openvino" for float32, "openvino-int8" for 8 bits where
            they pass it.
        again: also when the store knows the answer already; otherwise there is then nothing to do, and None.

    Raises:
        OSError: the store cannot be written, or the disk is full.
        ImportError: OpenVINO or NNCF is not installed.
    """
    with store.exclusive() as scratch:
        if not again and store.get(network_key(classifier.spec, wanted)):
            return None
        started = time.perf_counter()
        comparison = _Comparison(classifier, music)
        files = _try_all(comparison, scratch, wanted)
        chosen = _choose(comparison.trials, wanted)
        outcome = Outcome(
            model=classifier.spec.name,
            chosen=chosen.backend,
            trials=tuple(comparison.trials),
            music=music.source,
            n_threads=torch.get_num_threads(),
            took_s=round(time.perf_counter() - started, 1),
        )
        file = files.get((chosen.backend, chosen.spared))
        write = None if file is None else _writer(file)
        store.put(network_key(classifier.spec, wanted), outcome.to_dict(), write)
    return outcome


class _Comparison:
    """Answers and times of a model's candidates, against those of the trained network."""

    def __init__(self, classifier: GenreClassifier, music: GateMusic) -> None:
        self.classifier = classifier
        self.calibration = list(normalise(music.calibration, classifier.spec.front_end))
        self.reference = TorchBackend(classifier.network, classifier.device)
        self._gate = music.gate
        self._expected = self._probabilities(self.reference)
        self.trials: list[Trial] = []
        self.add(self.reference, spared=0.0)

    def add(self, candidate: Backend, *, spared: float) -> bool:
        """Tries a candidate; whether it passed."""
        answers = self._expected if candidate is self.reference else self._probabilities(candidate)
        gate = compare(self._expected, answers)
        trial = Trial(backend=candidate.name, spared=spared, gate=gate, latency_ms=self._latency_ms(candidate))
        self.trials.append(trial)
        logger.info("%s: %s", self.classifier.spec.name, trial)
        return gate.passed

    def _probabilities(self, backend: Backend) -> Tensor:
        front_end = self.classifier.spec.front_end
        logits = [backend.logits(normalise(part, front_end)) for part in torch.split(self._gate, _BATCH)]
        return self.classifier.probabilities(torch.cat(logits))[0]

    def _latency_ms(self, candidate: Backend) -> float:
        """Relative to the reference's first time, so that trials made minutes apart can be compared."""
        one = normalise(self._gate[:1], self.classifier.spec.front_end)
        theirs, ours = [], []
        for backend in (self.reference, candidate):
            backend.logits(one)
        for _ in range(_ROUNDS):
            theirs.append(_timed_ms(lambda: self.reference.logits(one)))
            ours.append(_timed_ms(lambda: candidate.logits(one)))
        known_ms = self.trials[0].latency_ms if self.trials else statistics.median(theirs)
        return known_ms * statistics.median(ours) / statistics.median(theirs)


def _try_all(comparison: _Comparison, folder: Path, wanted: str) -> dict[tuple[str, float], Path]:
    """Tries float32, bfloat16 where the CPU has it and nobody asked for another, and 8 bits, the last two with more and
    more layers spared until they pass; the file of each."""
    plain = folder / "fp32.xml"
    spec = comparison.classifier.spec
    convert(comparison.classifier.network, spec.front_end.image_size, plain)
    files = {("openvino-fp32", 0.0): plain}
    comparison.add(OpenVinoBackend(plain, name="openvino-fp32"), spared=0.0)
    if wanted == "auto" and has_bfloat16():
        files |= _try_bfloat16(comparison, plain)
    for recipe in RECIPES if wanted != "openvino" else ():
        file = folder / f"int8-{recipe.spared}.xml"
        quantise(plain, comparison.calibration, recipe, file)
        files["openvino-int8", recipe.spared] = file
        if comparison.add(OpenVinoBackend(file, name="openvino-int8"), spared=recipe.spared):
            break
    return files


def _try_bfloat16(comparison: _Comparison, plain: Path) -> dict[tuple[str, float], Path]:
    name = "openvino-bf16"
    files = {(name, 0.0): plain}
    if comparison.add(OpenVinoBackend(plain, name=name), spared=0.0):
        return files
    for share in SHARES[1:]:
        files[name, share] = plain.with_name(f"bf16-{share}.xml")
        spare_first(plain, share, files[name, share])
        try:
            if comparison.add(OpenVinoBackend(files[name, share], name=name), spared=share):
                break
        except RuntimeError as error:
            # OpenVINO 2026.4 cannot add float32 to what a convolution gives in bfloat16, as a ResNet may ask.
            logger.info("%s: %s sparing %s is passed over: %s", comparison.classifier.spec.name, name, share, error)
    return files


def _choose(trials: list[Trial], wanted: str) -> Trial:
    """The fastest that passed; PyTorch, the first, unless another is worth it. A named backend need not be faster."""
    passed = [trial for trial in trials[1:] if trial.gate.passed]
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


def _timed_ms(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


def become_unimportant() -> None:
    """Lets every other process go first, for the processor and when memory runs out, and ends with the parent.

    All as far as the system knows how.
    """
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    except OSError:
        return


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


class Accelerator:
    """Speeds loaded models up, one after the other, in the background.

    Args:
        settings: of the server.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting: queue.SimpleQueue[tuple[str, weakref.ref[GenreClassifier]] | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._fallback: tempfile.TemporaryDirectory[str] | None = None
        self._is_closed = False
        self._thread = threading.Thread(target=self._work, name="accelerate", daemon=True)
        self._thread.start()

    def submit(self, reference: str, classifier: GenreClassifier) -> None:
        """Speeds a model up when there is a way and nobody has yet.

        Args:
            reference: what the model was loaded by.
            classifier: the loaded model; nothing happens once nobody else holds it.
        """
        if can_be_faster(classifier, self._settings):
            self._waiting.put((reference, weakref.ref(classifier)))

    def close(self) -> None:
        """Ends what is under way."""
        self._is_closed = True
        self._waiting.put(None)
        if self._process:
            self._process.terminate()
        self._thread.join(5)
        if self._fallback:
            self._fallback.cleanup()

    def _work(self) -> None:
        while (job := self._waiting.get()) and not self._is_closed:
            self._try(*job)

    def _try(self, reference: str, alive: weakref.ref[GenreClassifier]) -> None:
        classifier = alive()
        if classifier is None:
            return  # it had to make room for another
        try:
            self._accelerate(reference, classifier)
        except Exception:  # it must not end the thread, and PyTorch goes on answering
            logger.exception("no faster way was found for %s, PyTorch answers", classifier.spec.name)

    def _accelerate(self, reference: str, classifier: GenreClassifier) -> None:
        store = self._store()
        key = network_key(classifier.spec, self._settings.backend)
        if store.get(key) is None:
            self._run(reference, store.root)
        backend = None if self._is_closed else stored_backend(classifier.spec, store, self._settings.backend)
        if backend:
            classifier.use(backend)
            logger.info("%s is now computed by %s", classifier.spec.name, backend.name)

    def _store(self) -> NetworkStore:
        """The settings' store, or one for as long as the server runs where that cannot be written."""
        store = network_store(self._settings)
        try:
            store.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=store.root):
                return store
        except OSError as error:
            if self._fallback is None:
                self._fallback = tempfile.TemporaryDirectory(prefix="acousticsense-networks-")
                logger.info("%s cannot be written (%s): networks are converted anew at each start", store.root, error)
            return NetworkStore(Path(self._fallback.name))

    def _run(self, reference: str, root: Path) -> None:
        command = [sys.executable, "-m", "acousticsense", "accelerate", "--background"]
        command += ["--store", str(root), "--model", reference]
        paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environ = {**os.environ, **self._settings.to_env(), "PYTHONPATH": os.pathsep.join(paths)}
        self._process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if self._is_closed:
            self._process.terminate()
        _, said = self._process.communicate()
        if self._process.returncode and not self._is_closed:
            last = said.decode(errors="replace").strip().splitlines()[-1:]
            logger.warning("looking for a faster way to compute failed (%d): %s", self._process.returncode, last)


def can_be_faster(classifier: GenreClassifier, settings: Settings) -> bool:
    """Whether it is worth looking: a CPU, a setting that allows it, the libraries, and PyTorch still computing."""
    return (
        classifier.device.type == "cpu"
        and settings.backend != "pytorch"
        and library_versions() is not None
        and classifier.info.backend.startswith("pytorch")
    )
