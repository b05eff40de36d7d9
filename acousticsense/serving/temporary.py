"""What uploads take of the disk: bounded in bytes, and removed by age unless a job still needs it."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from acousticsense.errors import OverloadError

#: How folders are named that go with their process, and the file in them that it holds locked while it lives.
_FOLDERS: Final = "acousticsense-uploads-"
_LOCK: Final = "lock"

#: Seconds without use after which an upload is removed, and how often that is looked for.
_AGE_S: Final = 3600.0
_LOOK_S: Final = 60.0
#: Where there is no room, idle uploads go earlier; whoever has just sent one may be about to ask.
_AGE_WITHOUT_ROOM_S: Final = 600.0
#: Gradio puts each upload into a folder that is named by its content; nothing else is ever removed.
_UPLOAD: Final = re.compile(r"[0-9a-f]{64}")

#: Counts bytes that came.
CountBytes = Callable[[int], None]

_log: Final = logging.getLogger(__name__)


def make_upload_folder() -> Path:
    """A new folder that goes with this process; those of processes that were killed go now."""
    for lock_file in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*/{_LOCK}"):
        with contextlib.suppress(OSError, Timeout), FileLock(lock_file, blocking=False):
            shutil.rmtree(lock_file.parent)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDERS))
    lock = FileLock(folder / _LOCK)
    lock.acquire()

    def remove() -> None:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


class FilesInUse:
    """Files that jobs still need. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: Counter[Path] = Counter()
        self._lock = threading.Lock()

    def __contains__(self, path: Path) -> bool:
        with self._lock:
            return path.resolve() in self._counts

    def add(self, paths: Iterable[Path]) -> None:
        """Keeps files until they are released as often as they were added."""
        with self._lock:
            self._counts.update(path.resolve() for path in paths)

    def release(self, paths: Iterable[Path]) -> None:
        """Gives files back; their age counts from now."""
        resolved = [path.resolve() for path in paths]
        for path in resolved:
            with contextlib.suppress(OSError):
                os.utime(path)
        with self._lock:
            self._counts.subtract(resolved)
            self._counts = +self._counts


class UploadFolder:
    """The folder that uploads lie in, and the room that they and the bodies on their way may take.

    Args:
        max_bytes: bytes of all of them.
        in_use: files that stay whatever their age.
    """

    def __init__(self, folder: Path, *, max_bytes: int, in_use: FilesInUse) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._in_use = in_use
        self._kept = self._arriving = self._arrived = 0
        #: When each file was first found as it is. By a clock that nobody sets: one that jumps would age files at once.
        self._found_s: dict[Path, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()

    def has_room(self, n_bytes: int = 0) -> bool:
        """Whether so many bytes more may come."""
        return self._kept + self._arrived + self._arriving + n_bytes <= self._max_bytes

    def refuse_if_full(self, n_bytes: int) -> None:
        """Raises OverloadError when there is no room for so many bytes more."""
        if not self.has_room(n_bytes):
            raise OverloadError("There is no room for more uploads at the moment.", retry_after_s=60)

    @contextlib.contextmanager
    def arrival(self, *, is_kept: bool) -> Iterator[CountBytes]:
        """Counts a body while it arrives and is answered.

        Args:
            is_kept: whether what arrives stays in the folder afterwards.

        Returns:
            What counts bytes that came; it raises OverloadError when there is no room for them.
        """
        n_arrived = 0

        def count(n_bytes: int) -> None:
            nonlocal n_arrived
            with self._lock:
                self.refuse_if_full(n_bytes)
                self._arriving += n_bytes
                n_arrived += n_bytes

        try:
            yield count
        except BaseException:
            is_kept = False
            raise
        finally:
            with self._lock:
                self._arriving -= n_arrived
                self._arrived += n_arrived if is_kept else 0

    @contextlib.contextmanager
    def making(self, name: str) -> Iterator[tuple[Path, CountBytes]]:
        """A file of the server's own, in the room of uploads and for as long as they; gone when the block raises.

        Args:
            name: of the file, whose folder cannot be guessed.

        Returns:
            Its path, and what counts the bytes that are written to it, as in `arrival`.
        """
        folder = self._folder / secrets.token_hex(32)
        folder.mkdir(parents=True)
        try:
            with self.arrival(is_kept=True) as count:
                yield folder / name, count
        except BaseException:
            (folder / name).unlink(missing_ok=True)
            folder.rmdir()
            raise

    def sweep(self, age_s: float = _AGE_S) -> None:
        """Removes what was not used for so long and counts what is left. What can't be removed is counted."""
        with self._sweeping:
            with self._lock:
                arrived_before = self._arrived
            found_before, self._found_s = self._found_s, {}
            kept = sum(self._size_or_remove(path, age_s, found_before.get(path)) for path in list(self._uploads()))
            with self._lock:
                self._kept, self._arrived = kept, self._arrived - arrived_before

    def make_room(self) -> None:
        """Removes what is idle before its time, unless somebody is at it already."""
        if not self._sweeping.locked():
            self.sweep(_AGE_WITHOUT_ROOM_S)

    def keep_swept(self) -> None:
        """Sweeps from time to time, in a thread that ends with the process."""

        def run() -> None:
            while True:
                try:
                    self.sweep()
                except OSError:
                    _log.exception("uploads could not be looked over")
                time.sleep(_LOOK_S)

        threading.Thread(target=run, name="sweep-uploads", daemon=True).start()

    def _uploads(self) -> Iterator[Path]:
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                if _UPLOAD.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                    yield from folder.iterdir()

    def _size_or_remove(self, path: Path, age_s: float, found: tuple[float, float] | None) -> int:
        """Bytes that a file takes; 0 when it was too old and is gone."""
        try:
            status = path.lstat()
            # A copy has the time of its original, but a change of its own.
            changed, now_s = max(status.st_mtime, status.st_ctime), time.monotonic()
            since_s = found[1] if found and found[0] == changed else now_s
            if now_s - since_s < age_s or path in self._in_use:
                self._found_s[path] = changed, since_s
                return status.st_size
        except FileNotFoundError:
            return 0
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return status.st_size
        with contextlib.suppress(OSError):  # another file came meanwhile
            path.parent.rmdir()
        return 0
