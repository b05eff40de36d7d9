"""Speeding up loaded models in the background, without anybody waiting.

The search runs in a process of its own at low priority, while PyTorch answers. It takes minutes and up to 2 GiB, and
the system may end it before the server when memory is short.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from pathlib import Path
from typing import Final

from acousticsense.inference.backends.openvino import library_versions
from acousticsense.inference.backends.selection import network_key, network_store, stored_backend
from acousticsense.inference.backends.store import NetworkStore
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.settings import Settings

logger = logging.getLogger(__name__)

#: Leaves a busy server nine tenths of the processor, and still comes to an end there.
_NICENESS: Final = 10
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[2]


def own_environment(settings: Settings) -> dict[str, str]:
    """The environment in which `python -m acousticsense` is this package under these settings."""
    paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **settings.to_env(), "PYTHONPATH": os.pathsep.join(paths)}


def lower_priority() -> None:
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
    """Speeds loaded models up, one after the other, in the background."""

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
        environ = own_environment(self._settings)
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
