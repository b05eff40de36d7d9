"""When a row still holds: the file is the one that was analysed, and the settings are those it was analysed under.

A file is taken for unchanged, without being opened, when its size and its times of modification and of status change
are those on record. No program can set the status change time (`ctime`), so an edit that keeps the size and puts the
modification time back is noticed too. Any other file is decoded again; when what the network would see is
bit-identical (SHA-256 over the images), the earlier answer stands and only the network is not asked. So a file that was
copied, moved or tagged costs some milliseconds, a file whose sound changed is analysed again, and no file is ever read
from end to end for a checksum, which on a disk or a network share would take longer than analysing it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from acousticsense import __version__
from acousticsense.models.spec import ModelSpec

if TYPE_CHECKING:
    from acousticsense.inference.decoding import Recipe


@dataclass(frozen=True)
class FileStamp:
    """What tells, without opening a file, that it is as it was."""

    size: int
    mtime_ns: int
    ctime_ns: int


def stamp(path: str) -> FileStamp | None:
    """The file's stamp; None when there is no such file or it must not be looked at."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileStamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def network_digest(spec: ModelSpec) -> str:
    """SHA-256 of what turns images into probabilities: weights, labels, temperature and normalisation.

    What computes (device, backend) is not part of it: a row names it, and all are held to the same answers.
    """
    return _sha256(
        weights=spec.weights_sha256,
        architecture=spec.architecture,
        labels=spec.labels,
        temperature=spec.calibration.temperature,
        normalisation=(spec.front_end.mean, spec.front_end.std),
    )


def settings_digest(spec: ModelSpec, recipe: Recipe) -> str:
    """SHA-256 of everything that decides a row but the file itself.

    The package's version is part of it, since another decoder may find other sound in a file. After an update files are
    decoded anew, and analysed anew only where their images changed.
    """
    return _sha256(
        version=__version__,
        network=network_digest(spec),
        name=spec.name,
        calibration=asdict(spec.calibration),
        recipe=asdict(recipe),
    )


def _sha256(**values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
