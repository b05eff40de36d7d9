"""Converted networks on disk: written whole or not at all, checked when read, and few."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from acousticsense.files import replace_folder, sha256_of

_REPORT: Final = "report.json"
_NETWORK: Final = "network.xml"
_SCRATCH: Final = ".writing-"
#: Most networks kept; the one that was not used for the longest time goes first. A ViT-B/16 takes 90 MB in 8 bits.
_MAX_ENTRIES: Final = 32


@dataclass(frozen=True)
class StoredNetwork:
    """What was found in the store: a report, and the network's .xml unless none was worth keeping."""

    report: dict[str, Any]
    network: Path | None


class NetworkStore:
    """A folder with a folder per network.

    Args:
        root: made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, key: str) -> StoredNetwork | None:
        """What is kept under a key; None when there is nothing, or when it is not as it was written."""
        folder = self.root / key
        try:
            stored = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
            report, hashes = dict(stored["report"]), dict(stored["sha256"])
            if any(_sha256(folder / name) != digest for name, digest in hashes.items()):
                return None
            _touch(folder)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return StoredNetwork(report, folder / _NETWORK if hashes else None)

    def put(self, key: str, report: dict[str, Any], write: Callable[[Path], None] | None) -> None:
        """Keeps a report and, unless `write` is None, the network that it writes at the .xml path it is given.

        What was there under that key is replaced.

        Raises:
            OSError: the folder cannot be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.root, prefix=_SCRATCH) as scratch:
            draft = Path(scratch, "draft")
            draft.mkdir()
            if write:
                write(draft / _NETWORK)
            hashes = {file.name: sha256_of(file) for file in draft.iterdir()}
            text = json.dumps({"report": report, "sha256": hashes}, indent=2)
            (draft / _REPORT).write_text(text + "\n", encoding="utf-8")
            replace_folder(draft, self.root / key)
        self._prune()

    @contextmanager
    def exclusive(self) -> Iterator[Path]:
        """A folder to work in, gone afterwards, for one process at a time; another one waits.

        Raises:
            OSError: the store cannot be written.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / ".lock"):
            for left in self.root.glob(f"{_SCRATCH}*"):  # by a process that was ended
                shutil.rmtree(left, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=self.root, prefix=_SCRATCH) as scratch:
                yield Path(scratch)

    def _prune(self) -> None:
        folders = [path for path in self.root.iterdir() if (path / _REPORT).is_file()]
        for folder in sorted(folders, key=lambda path: path.stat().st_mtime)[:-_MAX_ENTRIES]:
            shutil.rmtree(folder, ignore_errors=True)


def key_of(**facts: object) -> str:
    """A folder name for all that a network depends on."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _sha256(file: Path) -> str:
    return sha256_of(file) if file.is_file() else ""


def _touch(folder: Path) -> None:
    """Marks as used; a folder that belongs to somebody else is used all the same."""
    try:
        os.utime(folder)
    except OSError:
        return
