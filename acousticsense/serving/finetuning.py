"""A model out of a batch's corrections: `acousticsense finetune` in a process that is watched and stopped from here."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, Any

from acousticsense.errors import AcousticSenseError, AudioError, LibraryError, RequestError
from acousticsense.inference.accelerator import own_environment
from acousticsense.library.batch import Batch
from acousticsense.models.catalog import Catalog
from acousticsense.models.importer import check_new
from acousticsense.serving.jobs import FinetuneJob
from acousticsense.serving.requests import ClipRequest
from acousticsense.serving.temporary import UploadFolder
from acousticsense.settings import Settings

#: Genres, and songs of each, at least: one to learn from while the other is held out.
_LEAST = 2


def check_finetune(batch: Batch, name: str, catalog: Catalog, settings: Settings) -> None:
    """Refuses at once what could not come to an end.

    Raises:
        RequestError: the server makes no models or has too many, the name cannot be used, or there are too few
            corrections.
        CheckpointError: the folder of models cannot be written.
    """
    most = settings.finetune_max_models
    if not most:
        raise RequestError(
            "This server makes no models.", hint="Its operator can allow it by ACOUSTICSENSE_FINETUNE_MAX_MODELS."
        )
    if (n_models := len(catalog.names())) >= most:
        raise RequestError(
            f"There are {n_models} models on this server, and it makes more only while there are fewer than {most}.",
            hint="Its operator can remove one, or raise ACOUSTICSENSE_FINETUNE_MAX_MODELS.",
        )
    check_new(catalog, name, ())
    counts = Counter(batch.corrections.values())
    if len(counts) < _LEAST or min(counts.values()) < _LEAST:
        counted = ", ".join(f"{genre} {count}" for genre, count in counts.most_common()) or "none"
        raise RequestError(
            f"Corrected or confirmed: {counted}.", hint="It takes two genres at least, and two songs of each."
        )


def run_finetune(
    job: FinetuneJob, batch: Batch, request: ClipRequest, *, settings: Settings, uploads: UploadFolder
) -> None:
    """Trains, and notes in the job how far it is and what came of it. Nothing but the model's folder stays.

    Args:
        request: which model answered; the new one starts from it.
        uploads: whose room what is unpacked takes.

    Raises:
        AcousticSenseError: whatever `finetune` raises, or OverloadError where there is no room.
        CancelledError: it was stopped.
    """
    with (
        closing(batch.files),
        uploads.arrival(is_kept=False) as count,
        tempfile.TemporaryDirectory(prefix="acousticsense-finetune-") as folder,
    ):
        listed = Path(folder, "corrections.csv")
        with listed.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "genre"))
            for place, genre in batch.corrections.items():
                job.stop_if_cancelled()
                path = _fetched(batch, place, Path(folder))
                count(path.stat().st_size if path.parent == Path(folder) else 0)
                writer.writerow((path, genre))
        command = [sys.executable, "-m", "acousticsense", "finetune", str(listed), "--background"]
        command += ["--out", str(settings.models / job.name)]
        command += ["--base", request.model] if request.model else []
        command += ["--spectrogram", request.spectrogram] if request.spectrogram else []
        # What is kept of strangers' songs goes with the folder.
        environ = own_environment(settings.replace(cache_dir=Path(folder, "cache")))
        with (
            Path(folder, "log").open("w+b") as log,
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            job.watch(process)
            told = _follow(job, process.stdout)
            process.wait()
            if "model" not in told:
                job.stop_if_cancelled()
                raise _error_of(told, log, process.returncode)
            job.figures = told  # also where it was stopped too late


def _fetched(batch: Batch, place: int, folder: Path) -> Path:
    try:
        return batch.files.fetch(place, folder / f"{place}{PurePosixPath(batch.files.name(place)).suffix}")
    except (AudioError, OSError) as error:
        raise LibraryError(f"{batch.files.name(place)} cannot be used: {error}") from error


def _follow(job: FinetuneJob, lines: IO[bytes] | None) -> dict[str, Any]:
    """Notes each line of progress in the job; what the last line says is the end of it."""
    told: dict[str, Any] = {}
    for line in lines or ():
        if not line.startswith(b"{"):
            continue  # a library speaks up
        told = json.loads(line)
        if "stage" in told:
            job.stage, job.done, job.total = told["stage"], told["done"], told["total"]
    return told


def _error_of(told: dict[str, Any], log: IO[bytes], returncode: int) -> AcousticSenseError:
    """Why there is no model: what the process said, or its last words."""
    if "error" in told:
        return AcousticSenseError(told["error"]["message"], hint=told["error"]["hint"])
    log.seek(0)
    last = log.read().decode(errors="replace").strip().splitlines()[-1:]
    return AcousticSenseError(f"Training ended with status {returncode}: {' '.join(last)}")
