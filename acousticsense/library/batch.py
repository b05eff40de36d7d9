"""Files that somebody sent together, zip archives among them: a row for each, as `acousticsense tag` writes it.

Nothing is kept but the rows: an archive's entry is unpacked when its turn comes and removed when it has its row.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath

from acousticsense.errors import AudioEmptyError, AudioError, AudioTooLargeError, LibraryError, RequestError, printable
from acousticsense.inference.classifier import GenreClassifier
from acousticsense.inference.preprocess import Recipe
from acousticsense.library.archive import Archive, Entry, is_archive_name, tidied
from acousticsense.library.engine import EngineOptions, LocalEngine
from acousticsense.library.predict import BatchPredictor
from acousticsense.library.routing import decide, expectation
from acousticsense.library.rows import Row, RowError
from acousticsense.models.spec import Calibration

__all__ = ["Batch", "BatchLimits", "Upload"]


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A file that somebody sent: where it lies, and what they call it."""

    path: Path
    name: str


@dataclass(frozen=True, kw_only=True)
class BatchLimits:
    """Bounds on one batch.

    Attributes:
        max_files: files to predict, those in archives included.
        max_file_bytes: bytes of one file in an archive.
        max_unpacked_bytes: bytes of all files in archives together.
    """

    max_files: int
    max_file_bytes: int
    max_unpacked_bytes: int


@dataclass(frozen=True)
class _Item:
    """A file to predict. `locate` puts it at the given path or says where it lies; raises why it cannot be analysed."""

    name: str
    locate: Callable[[Path], Path]
    sent: Path | None = None
    packed: tuple[Archive, Entry] | None = None


class Batch:
    """One run over files that were sent together. Rows may be read from any thread while it goes on.

    Args:
        uploads: the files; those named `.zip` stand for the audio in them.
        limits: bounds on what they may unpack to.

    Attributes:
        total: files that will have a row; None until the archives were opened.
        ignored: other files in the archives.

    Raises:
        RequestError: there are more files than the limit.
    """

    def __init__(self, uploads: Sequence[Upload], limits: BatchLimits) -> None:
        self.total: int | None = None
        self.ignored = 0
        names = _distinct([tidied(upload.name) or upload.path.name for upload in uploads])
        self._uploads = tuple(replace(upload, name=name) for upload, name in zip(uploads, names, strict=True))
        self._limits = limits
        self._unpacked_bytes = 0
        self._opened: Archive | None = None
        self._calibration: Calibration | None = None
        self._rows: list[tuple[int, Row]] = []
        self._corrections: dict[int, str] = {}
        self._files: Sequence[_Item] = ()
        self._lock = threading.Lock()
        self._fetching = threading.Lock()
        self._refuse_more(len(self._uploads))

    @property
    def done(self) -> int:
        """Files that have a row."""
        return len(self._rows)

    @property
    def failed(self) -> int:
        """Files whose row is an error."""
        return sum(row.error is not None for _, row in self.arrived())

    def arrived(self, start: int = 0) -> list[tuple[int, Row]]:
        """(place of the file, its row) from the `start`-th row on, in the order in which rows came."""
        with self._lock:
            return self._rows[start:]

    def rows(self) -> list[Row]:
        """The rows so far, in the order of the files."""
        return [row for _, row in sorted(self.arrived(), key=lambda entry: entry[0])]

    def correct(self, place: int, genre: str) -> None:
        """Keeps what somebody says a file is; "" takes that back.

        Raises:
            RequestError: there is no answer for this file, or the model does not know the genre.
        """
        labels = next((row.probabilities for here, row in self.arrived() if here == place), {})
        if not labels or (genre and genre not in labels):
            raise RequestError(
                f"Row {place} cannot be corrected to {genre!r}.", hint="Choose one of the model's genres."
            )
        with self._lock:
            self._corrections.pop(place, None)
            if genre:
                self._corrections[place] = genre

    @property
    def corrections(self) -> dict[int, str]:
        """Place of a file -> the genre that somebody says it has."""
        with self._lock:
            return dict(self._corrections)

    def sound(self, place: int) -> Path | None:
        """Where a file lies that was sent by itself; None for what is in an archive."""
        return self._files[place].sent if 0 <= place < len(self._files) else None

    @property
    def paths(self) -> list[Path]:
        """Where what was sent lies."""
        return [upload.path for upload in self._uploads]

    def name(self, place: int) -> str:
        """What people call a file; never a path that leads upwards."""
        return printable(self._files[place].name)

    def fetch(self, place: int, target: Path, *, copy: bool = False) -> Path:
        """Where a file lies after `predict`: where it was sent, or unpacked at `target`. `close` follows the last one.

        Args:
            place: of the file.
            target: where to put what is in an archive; must not exist.
            copy: put the others there, too.

        Raises:
            AudioError: it cannot be unpacked, or unpacks to more than allowed.
            LibraryError: it is gone.
            OSError: it cannot be copied.
        """
        item = self._files[place]
        if item.packed:
            archive, entry = item.packed
            with self._fetching:
                self._open(archive)
                archive.unpack(entry, target, max_bytes=self._limits.max_file_bytes)
            return target
        if item.sent is None or not item.sent.is_file():
            raise LibraryError("The server no longer has this file.", hint="Send it again.")
        if copy:
            shutil.copyfile(item.sent, target)
        return target if copy else item.sent

    def close(self) -> None:
        """Lets go of the archives."""
        with self._fetching:
            self._open(None)

    def expectation(self, accept: float, language: str = "en") -> str:
        """How many of the answers that are accepted to expect to be wrong, in words; empty when there are none."""
        accepted = [str(row.verdict) for row in self.rows() if decide(row, accept) == "accepted"]
        return expectation(Counter(accepted), self._calibration, language) if accepted and self._calibration else ""

    def predict(
        self,
        classifier: GenreClassifier,
        recipe: Recipe,
        options: EngineOptions,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Gives every file its row; to be called once.

        Args:
            classifier: answers.
            recipe: by which files are decoded.
            options: how much of the machine it takes.
            between: called before new rows are kept; what it raises ends the work, and leaves no file behind.

        Raises:
            RequestError: there are more files in the archives than the limit.
            LibraryError: decoder processes cannot be started.
        """
        predictor = BatchPredictor(classifier, recipe)
        self._calibration = classifier.spec.calibration
        with ExitStack() as stack:
            items: list[_Item] = []
            for upload in self._uploads:
                items += self._items(upload)
                self._refuse_more(len(items))
            stack.callback(self._open, None)
            self._files = items
            self.total = len(items)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acousticsense-batch-")))
            places: dict[str, list[int]] = {}
            paths = self._paths(items, folder, places, predictor)
            for rows in stack.enter_context(closing(LocalEngine(predictor, recipe, options).rows(paths))):
                between()
                for path, row in rows:
                    place = places[path].pop()
                    self._keep(place, replace(row, path=printable(items[place].name)))
                    (folder / str(place)).unlink(missing_ok=True)

    def _refuse_more(self, count: int) -> None:
        if count > self._limits.max_files:
            raise RequestError(
                f"These are {count:,} files, and {self._limits.max_files:,} are analysed at a time.",
                hint="Send them in parts, or use `acousticsense tag`.",
            )

    def _items(self, upload: Upload) -> Iterator[_Item]:
        """What an upload stands for."""
        if not is_archive_name(upload.name):
            yield _Item(upload.name, lambda _: upload.path, upload.path)
            return
        try:
            archive = Archive(upload.path)
        except AudioError as error:
            yield _Item(upload.name, partial(_refuse, error))
            return
        self.ignored += archive.ignored
        names = _distinct([entry.name for entry in archive.entries])
        for name, entry in zip(names, archive.entries, strict=True):
            yield _Item(f"{upload.name}/{name}", partial(self._unpack, archive, entry), packed=(archive, entry))
        if not archive.entries:
            yield _Item(upload.name, partial(_refuse, AudioEmptyError("There is no audio file in this archive.")))

    def _paths(
        self, items: Sequence[_Item], folder: Path, places: dict[str, list[int]], predictor: BatchPredictor
    ) -> Iterator[str]:
        """The files to decode, as the engine asks for them; what cannot even be reached gets its row here."""
        for place, item in enumerate(items):
            try:
                path = str(item.locate(folder / str(place)))
            except AudioError as error:
                self._keep(place, predictor.failed(item.name, RowError.of(error)))
                continue
            places.setdefault(path, []).append(place)
            yield path

    def _unpack(self, archive: Archive, entry: Entry, target: Path) -> Path:
        """Raises AudioError: it cannot be unpacked, or the archives have more bytes than the limit."""
        left = self._limits.max_unpacked_bytes - self._unpacked_bytes
        if left <= 0:
            raise AudioTooLargeError(
                f"The archives hold more than {self._limits.max_unpacked_bytes / 2**20:.0f} MiB.",
                hint="Send the rest by itself.",
            )
        self._open(archive)
        try:
            archive.unpack(entry, target, max_bytes=min(left, self._limits.max_file_bytes))
        except AudioError:
            self._account(target)
            target.unlink(missing_ok=True)
            raise
        self._account(target)
        return target

    def _open(self, archive: Archive | None) -> None:
        """Has one archive open at a time, of however many."""
        if self._opened is not None and self._opened is not archive:
            self._opened.close()
        self._opened = archive

    def _account(self, target: Path) -> None:
        """Counts what was unpacked, whether or not it can be used."""
        self._unpacked_bytes += target.stat().st_size if target.exists() else 0

    def _keep(self, place: int, row: Row) -> None:
        with self._lock:
            self._rows.append((place, row))


def _refuse(error: AudioError, _: Path) -> Path:
    raise error


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that came before: a row is known by its name alone."""
    taken = set(names)
    seen: set[str] = set()
    distinct = []
    for name in names:
        new, path = name, PurePosixPath(name)
        for number in count(2):
            if new not in seen and (new == name or new not in taken):
                break
            new = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        seen.add(new)
        distinct.append(new)
    return distinct
