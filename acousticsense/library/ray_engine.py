"""The engine on many machines: the same two stages on Ray Data, with the ledger where the command runs.

    paths -> tasks on all nodes, each with a decoder process of its own -> actors that hold the model -> rows

What travels between nodes are paths, images (uint8, 147 KB a window) and rows; sound never leaves the process that
decoded it. A file that hangs or crashes its decoder is a row, as with the local engine, because tasks decode through
the same `pool`. Ray repeats what a dead worker or node had under way; what it cannot bring back is asked for again.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import torch

from acousticsense.errors import AcousticSenseError, LibraryError
from acousticsense.inference.preprocess import Recipe
from acousticsense.library.decode import decode_file
from acousticsense.library.engine import EngineOptions
from acousticsense.library.pool import Decode, DecoderPool
from acousticsense.library.rows import Row
from acousticsense.settings import Settings, available_cores
from acousticsense.spectrogram.front_end import SpectrogramKind

if TYPE_CHECKING:
    from acousticsense.library.predict import BatchPredictor

__all__ = ["PredictorSource", "RayEngine", "Shares", "share_out"]

#: Paths of one execution: the actors load their model once for each, and the ledger is asked this far ahead.
_CHUNK: Final = 50_000
#: Executions for the same paths before the cluster is given up.
_ROUNDS: Final = 3
#: Processor that Ray sets aside for each process: so little that half of the nodes may go before what Ray starts again
#: has to wait for a place. Not the same for both, or Ray Data would melt the two stages into one.
_PREDICTOR_CPU: Final = 0.4
_DECODER_CPU: Final = 0.2
#: Memory for what travels, on a cluster of this machine alone; full, it makes the decoders wait.
_OBJECT_STORE_BYTES: Final = 512 * 2**20
#: Seconds in which a cluster must take a connection.
_ANSWER_S: Final = 10.0
_EXTRA_HINT: Final = "pip install 'acousticsense[ray]', or use --engine local."


@dataclass(frozen=True, kw_only=True)
class PredictorSource:
    """How a node makes its predict; small and picklable.

    Attributes:
        settings: models, cache and limits, by paths that hold on every node.
        spectrogram: which image, for models that know several.
        recipe: by which files are decoded.
        digest: of the settings under which rows count; a node whose model gives another one must not answer.
    """

    settings: Settings
    spectrogram: SpectrogramKind | None
    recipe: Recipe
    digest: str

    def predict(self, device: str) -> BatchPredictor:
        """The predict on this node.

        Raises:
            LibraryError: this node has other weights or another version.
            AcousticSenseError: the model cannot be loaded.
        """
        from acousticsense.inference.classifier import (
            GenreClassifier,  # not above: nodes that only decode load no network
        )
        from acousticsense.library.predict import BatchPredictor

        classifier = GenreClassifier.load(device=device, settings=self.settings).for_spectrogram(self.spectrogram)
        predict = BatchPredictor(classifier, self.recipe)
        if predict.digest != self.digest:
            raise LibraryError(
                "It has other weights, or another version of this program, than the command that started the run.",
                hint="Install the same version and the same models folder on every node.",
            )
        return predict


@dataclass(frozen=True)
class Shares:
    """Who does what on a cluster: processes that decode, actors that predict, and the GPUs that each of these has."""

    decoders: int
    predicts: int
    gpus_per_predictor: int


def share_out(n_cpus: int, n_gpus: int, decoders: int | None = None) -> Shares:
    """One actor for each GPU and a decoder for each further core; without GPUs, an actor for each core.

    The actors of a CPU then wait for nothing but the processor, whatever the model: their decoders, one for two cores,
    take turns with them, and stop when enough images wait.

    Args:
        n_cpus: cores of the cluster.
        n_gpus: GPUs that may be used.
        decoders: decoder processes, where somebody knows better.
    """
    if n_gpus:
        return Shares(decoders or max(1, n_cpus - n_gpus), n_gpus, 1)
    return Shares(decoders or max(1, n_cpus // 2), max(1, n_cpus), 0)


class RayEngine:
    """The engine on a Ray cluster. The program and its models must be installed on every node.

    Args:
        source: how a node makes its predict.
        options: `workers` are decoder processes on the whole cluster; None leaves it to `share_out`.
        address: "auto", "HOST:PORT" or "ray://HOST:PORT"; empty is a cluster of this machine, for as long as it takes.
        decode: the CPU stage; another one must be importable by name.

    Raises:
        LibraryError: Ray is not installed.
    """

    def __init__(
        self,
        source: PredictorSource,
        options: EngineOptions | None = None,
        *,
        address: str = "",
        decode: Decode = decode_file,
    ) -> None:
        _ray()
        self._source = source
        self._options = options or EngineOptions()
        self._address = address
        self._decode = decode

    def rows(self, paths: Iterable[str]) -> Iterator[list[tuple[str, Row]]]:
        """Batches of (path, row), each as soon as it is there; one row for every path, in no particular order.

        Raises:
            LibraryError: there is no cluster, its nodes have another model, or it loses work again and again.
        """
        waiting = iter(paths)
        with _cluster(self._address):
            while chunk := list(islice(waiting, _CHUNK)):
                yield from self._rows(chunk)

    def _rows(self, paths: Sequence[str]) -> Generator[list[tuple[str, Row]], None, None]:
        """Rows of one chunk: what a round leaves open is asked for in the next one."""
        from ray.exceptions import RayError, RayTaskError

        left = dict.fromkeys(paths)
        cause: Exception | None = None
        for _ in range(_ROUNDS):
            try:
                for batch in self._round(list(left)):
                    rows = [(path, row) for path, row in batch if path in left]
                    for path, _row in rows:
                        del left[path]
                    yield rows
            except RayTaskError as error:  # our own code raised: no other round will help
                raise _explained(error) from error
            except RayError as error:
                cause = error
            if not left:
                return
        raise LibraryError(
            f"The cluster lost {len(left)} files {_ROUNDS} times over.",
            hint="The rows so far are kept; see Ray's logs.",
        ) from cause

    def _round(self, paths: Sequence[str]) -> Iterator[list[tuple[str, Row]]]:
        ray = _ray()
        resources = ray.cluster_resources()
        n_gpus = 0 if self._source.settings.device == "cpu" else int(resources.get("GPU", 0))
        shares = share_out(int(resources.get("CPU", 1)), n_gpus, self._options.workers)
        batch = self._options.batch
        block = max(1, min(batch, len(paths) // (2 * shares.decoders)))
        items = [{"path": os.fsencode(path)} for path in paths]
        analysed = (
            ray.data.from_items(items, override_num_blocks=-(-len(items) // block))
            .map_batches(
                _decode_batch,
                batch_size=None,
                batch_format="pyarrow",
                fn_args=(self._source.recipe, self._options.timeout_s, self._decode),
                concurrency=shares.decoders,
                num_cpus=_DECODER_CPU,
            )
            .map_batches(
                _PredictorActor,
                batch_size=batch,
                batch_format="pyarrow",
                fn_constructor_args=(self._source, "cuda" if shares.gpus_per_predictor else "cpu"),
                concurrency=(1, shares.predicts),
                num_cpus=_PREDICTOR_CPU,
                num_gpus=shares.gpus_per_predictor,
            )
        )
        for table in analysed.iter_batches(batch_size=None, batch_format="pyarrow"):
            for fault in table["fault"].drop_null().to_pylist():
                raise LibraryError(**json.loads(fault))
            yield [
                (os.fsdecode(path), Row.from_dict(json.loads(row)))
                for path, row in zip(table["path"].to_pylist(), table["row"].to_pylist(), strict=True)
            ]


# --- on the nodes


@cache
def _pool(recipe: Recipe, timeout_s: float, decode: Decode) -> DecoderPool:
    """This worker's decoder process, kept from task to task."""
    return DecoderPool(recipe, workers=1, timeout_s=timeout_s, decode=decode)


def _decode_batch(table: Any, recipe: Recipe, timeout_s: float, decode: Decode) -> Any:
    """Paths -> outcomes, as an Arrow table of pickles: their arrays have no common shape."""
    import pyarrow

    pool = _pool(recipe, timeout_s, decode)
    for path in table["path"].to_pylist():
        pool.submit(os.fsdecode(path))
    outcomes = []
    while pool.outstanding:
        outcomes += pool.take(1)
    return pyarrow.table({"outcome": [pickle.dumps(outcome, protocol=5) for outcome in outcomes]})


class _PredictorActor:
    """Holds the model, one thread of a CPU or one GPU: outcomes -> rows.

    When there is no predict, it answers with the reason: Ray would start an actor that raises here again and again.
    """

    def __init__(self, source: PredictorSource, device: str) -> None:
        torch.set_num_threads(1)
        self._predict: BatchPredictor | None = None
        self._fault: dict[str, str] = {}
        try:
            self._predict = source.predict(device)
        except AcousticSenseError as error:
            self._fault = {"message": f"A node cannot predict: {error.message}", "hint": error.hint}

    def __call__(self, table: Any) -> Any:
        import pyarrow

        schema = pyarrow.schema([(name, pyarrow.binary()) for name in ("path", "row", "fault")])
        if self._predict is None:
            return pyarrow.table({"path": [b""], "row": [b""], "fault": [json.dumps(self._fault).encode()]}, schema)
        outcomes = [pickle.loads(outcome) for outcome in table["outcome"].to_pylist()]
        rows = self._predict.rows(outcomes)
        return pyarrow.table(
            {
                "path": [os.fsencode(outcome.path) for outcome in outcomes],
                "row": [json.dumps(row.to_dict()).encode() for row in rows],
                "fault": [None] * len(rows),
            },
            schema,
        )


# --- the cluster


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise LibraryError("The Ray engine needs the package ray.", hint=_EXTRA_HINT) from error
    return ray


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """A connection to a cluster; one that the caller has already is used and left as it is."""
    ray = _ray()
    _keep_quiet(ray)
    if ray.is_initialized():
        yield
        return
    own: dict[str, Any] = {
        "num_cpus": available_cores(),
        "object_store_memory": _OBJECT_STORE_BYTES,
        "include_dashboard": False,
        "_system_config": {"worker_niceness": 0},  # or any other work on this machine would come first
    }
    _check_answers(address)
    try:
        ray.init(
            address=address or "local",
            logging_level=logging.ERROR,
            log_to_driver=False,
            **({} if address else own),
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise LibraryError(f"The Ray cluster {address or 'on this machine'} cannot be used: {error}.") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises LibraryError when nobody listens there: Ray itself would try for minutes, and then end the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise LibraryError(
            f"No Ray cluster answers at {address} ({error}).",
            hint="Check the address; 'ray status' on a node tells it.",
        ) from error


def _keep_quiet(ray: Any) -> None:
    """No reports of use over the internet, and no progress bars into the command's own."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _explained(error: Any) -> LibraryError:
    """What our code raised on a node, in its own words."""
    cause = error
    while inner := getattr(cause, "cause", None) or cause.__cause__:
        cause = inner
    if isinstance(cause, LibraryError):
        return LibraryError(cause.message, hint=cause.hint)
    return LibraryError(f"A worker of the cluster failed: {type(cause).__name__}: {cause}.", hint="See Ray's logs.")
