"""The engine on many machines: the same two stages on Ray Data, with the ledger where the command runs.

    paths -> tasks on all nodes, each with a decoder process of its own -> actors that hold the model -> rows

What travels between nodes are paths, spectrograms (500 KB a window for the default model, 147 KB for models of images)
and rows; sound never leaves the process that decoded it. A file that hangs or crashes its decoder is a row, as with the
local engine, because tasks decode through the same `pool`. Ray repeats what a dead worker or node had under way; what
it cannot bring back is asked for again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from acousticsense.errors import LibraryError
from acousticsense.library.decode import decode_file
from acousticsense.library.engine import EngineOptions
from acousticsense.library.pool import Decode
from acousticsense.library.ray_cluster import cluster, explained, ray_package
from acousticsense.library.ray_nodes import PredictorActor, PredictorSource, decode_batch
from acousticsense.library.rows import Row

#: Paths of one execution: the actors load their model once for each, and the ledger is asked this far ahead.
_CHUNK: Final = 50_000
#: Executions for the same paths before the cluster is given up.
_ROUNDS: Final = 3
#: Processor that Ray sets aside for each process: so little that half of the nodes may go before what Ray starts again
#: has to wait for a place. Not the same for both, or Ray Data would melt the two stages into one.
_PREDICTOR_CPU: Final = 0.4
_DECODER_CPU: Final = 0.2


@dataclass(frozen=True)
class Shares:
    """Who does what on a cluster: processes that decode, actors that predict, and the GPUs that each of these has."""

    decoders: int
    predictors: int
    gpus_per_predictor: int


def share_out(n_cpus: int, n_gpus: int, decoders: int | None = None) -> Shares:
    """One actor for each GPU and a decoder for each further core; without GPUs, an actor for each core.

    The actors of a CPU then wait for nothing but the processor, whatever the model: their decoders, one for two cores,
    take turns with them, and stop when enough images wait.

    Args:
        n_cpus: cores of the cluster.
        decoders: decoder processes, where somebody knows better.
    """
    if n_gpus:
        return Shares(decoders or max(1, n_cpus - n_gpus), n_gpus, 1)
    return Shares(decoders or max(1, n_cpus // 2), max(1, n_cpus), 0)


class RayEngine:
    """The engine on a Ray cluster. The program and its models must be installed on every node.

    Args:
        source: how a node makes its predictor.
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
        ray_package()
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
        with cluster(self._address):
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
                raise explained(error) from error
            except RayError as error:
                cause = error
            if not left:
                return
        raise LibraryError(
            f"The cluster lost {len(left)} files {_ROUNDS} times over.",
            hint="The rows so far are kept; see Ray's logs.",
        ) from cause

    def _round(self, paths: Sequence[str]) -> Iterator[list[tuple[str, Row]]]:
        ray = ray_package()
        resources = ray.cluster_resources()
        n_gpus = 0 if self._source.settings.device == "cpu" else int(resources.get("GPU", 0))
        shares = share_out(int(resources.get("CPU", 1)), n_gpus, self._options.workers)
        batch = self._options.batch
        block = max(1, min(batch, len(paths) // (2 * shares.decoders)))
        items = [{"path": os.fsencode(path)} for path in paths]
        analysed = (
            ray.data.from_items(items, override_num_blocks=-(-len(items) // block))
            .map_batches(
                decode_batch,
                batch_size=None,
                batch_format="pyarrow",
                fn_args=(self._source.recipe, self._options.timeout_s, self._decode),
                concurrency=shares.decoders,
                num_cpus=_DECODER_CPU,
            )
            .map_batches(
                PredictorActor,
                batch_size=batch,
                batch_format="pyarrow",
                fn_constructor_args=(self._source, "cuda" if shares.gpus_per_predictor else "cpu"),
                concurrency=(1, shares.predictors),
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
