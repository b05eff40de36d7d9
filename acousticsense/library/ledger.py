"""Which files have a row already: an SQLite file that survives a kill at any moment.

A row is written in the transaction that makes it count, and each batch is one transaction in write-ahead mode: after a
kill, a batch is there as a whole or is analysed again. SQLite allows one writer at a time; any number of runs, over the
same files or others, can share a ledger, because each keeps the list of its own files in a table that only its
connection sees.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from acousticsense.errors import LibraryError
from acousticsense.library.identity import FileStamp
from acousticsense.library.rows import Row

#: Raised when the tables change; a ledger with another number is not touched.
_VERSION: Final = 1
#: Of the table `runs`, by which a ledger is known: whatever else has tables is another program's file.
_RUNS_COLUMNS: Final = frozenset(("id", "roots", "settings", "fresh", "started"))
#: How long to wait for another writer.
BUSY_S: Final = 60.0

#: Rows read at a time.
_PAGE_ROWS: Final = 1000

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, roots TEXT NOT NULL, settings TEXT NOT NULL, fresh INTEGER NOT NULL,
    started REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
    path BLOB NOT NULL, settings TEXT NOT NULL, run INTEGER NOT NULL, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER,
    network TEXT NOT NULL, images TEXT NOT NULL, passing INTEGER NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (path, settings)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers ON rows (network, images) WHERE images <> '';
DROP TABLE IF EXISTS main.listing;
CREATE TEMPORARY TABLE listing (
    position INTEGER PRIMARY KEY, run INTEGER NOT NULL, path BLOB NOT NULL, done INTEGER NOT NULL, UNIQUE (run, path));
"""


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into LibraryErrors that name the ledger."""
    try:
        yield
    except sqlite3.Error as error:
        raise LibraryError(
            f"The ledger {path} cannot be used: {error}.",
            hint="Check disk space and permissions, or name another one with --ledger.",
        ) from error


class Ledger:
    """An open ledger; for the thread that opened it.

    Args:
        path: the file; made, with its folder, when there is none.

    Raises:
        LibraryError: it cannot be opened or is no ledger of this version; the file is as it was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with ledger_errors(self.path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sqlite3.OperationalError(str(error)) from error
            self._database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            try:
                version = self._checked_version()
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_TABLES)
                if version != _VERSION:  # whoever reads the same ledger takes any write for a change of its rows
                    self._database.execute(f"PRAGMA user_version = {_VERSION}")
            except BaseException:
                self._database.close()
                raise

    def _checked_version(self) -> int:
        """The version of a ledger, 0 of a new one; refuses what is none of this version, by reading alone.

        The version does not tell: other programs count theirs in the same place, from 0 on.
        """
        is_empty = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        columns = {name for (name,) in self._database.execute("SELECT name FROM pragma_table_info('runs')")}
        if not is_empty and not columns >= _RUNS_COLUMNS:
            raise LibraryError(
                f"{self.path} is no ledger: it is the database of another program.",
                hint="Name another file, or one that is not there yet.",
            )
        version = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it has version {version}, this program writes version {_VERSION}")
        return version

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def begin(self, roots: Iterable[str], *, settings: str, network: str, fresh: bool = False) -> LedgerRun:
        """Opens a run over `roots`.

        Args:
            roots: the arguments of the run; another run over the same ones goes on where this one stops.
            settings: digest of the settings under which rows count.
            network: digest of what turns images into probabilities.
            fresh: rows written before this run do not count, neither for it nor for those that go on with it.
        """
        name = json.dumps(sorted(set(roots)))
        with ledger_errors(self.path), self._transaction():
            run = self._database.execute(
                "INSERT INTO runs (roots, settings, fresh, started) VALUES (?, ?, ?, ?)",
                (name, settings, fresh, time.time()),
            ).lastrowid
            since = self._database.execute(
                "SELECT max(id) FROM runs WHERE roots = ? AND settings = ? AND fresh", (name, settings)
            ).fetchone()[0]
        return LedgerRun(self, int(run or 0), int(since or 0), settings, network)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


class LedgerRun:
    """One run over a library: what it lists, what of that counts already, and what it adds. Made by `Ledger.begin`."""

    def __init__(self, ledger: Ledger, run: int, since: int, settings: str, network: str) -> None:
        self._ledger = ledger
        self._run = run
        self._since = since
        self._settings = settings
        self._network = network

    def enlist(self, path: str, stamp: FileStamp | None) -> bool | None:
        """Puts a file on this run's list.

        Returns:
            True when its row still counts, False when it is to be analysed, None when it is on the list already.
        """
        key = os.fsencode(path)
        with ledger_errors(self._ledger.path):
            database = self._ledger._database
            counts = stamp is not None and bool(
                database.execute(
                    "SELECT 1 FROM rows WHERE path = ? AND settings = ? AND run >= ? AND NOT passing"
                    " AND size = ? AND mtime_ns = ? AND ctime_ns = ?",
                    (key, self._settings, self._since, stamp.size, stamp.mtime_ns, stamp.ctime_ns),
                ).fetchone()
            )
            added = database.execute(
                "INSERT OR IGNORE INTO listing (run, path, done) VALUES (?, ?, ?)", (self._run, key, counts)
            )
        return counts if added.rowcount else None

    def known(self, images_sha256: str) -> Row | None:
        """A row in which the same network answered to the same images."""
        with ledger_errors(self._ledger.path):
            found = self._ledger._database.execute(
                "SELECT row FROM rows WHERE network = ? AND images = ? AND images <> '' AND run >= ? LIMIT 1",
                (self._network, images_sha256, self._since),
            ).fetchone()
        if found is None:
            return None
        try:
            return Row.from_dict(json.loads(found[0]))
        except (LibraryError, ValueError):  # of another version, or damaged: the network is asked instead
            return None

    def record(self, rows: Sequence[tuple[str, Row, FileStamp | None]]) -> None:
        """Writes rows with their files' stamps, all or none."""
        values = [
            (
                os.fsencode(path),
                self._settings,
                self._run,
                stamp and stamp.size,
                stamp and stamp.mtime_ns,
                stamp and stamp.ctime_ns,
                self._network,
                row.images_sha256,
                row.error is not None and row.error.passing,
                json.dumps(row.to_dict(), ensure_ascii=False),
            )
            for path, row, stamp in rows
        ]
        with ledger_errors(self._ledger.path), self._ledger._transaction():
            self._ledger._database.executemany("INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?,?)", values)
            self._ledger._database.executemany(
                "UPDATE listing SET done = 1 WHERE run = ? AND path = ?", [(self._run, value[0]) for value in values]
            )

    def is_current(self, path: str, stamp: FileStamp | None) -> bool:
        """Whether a file with this stamp is the one that its row is of."""
        with ledger_errors(self._ledger.path):
            kept = self._ledger._database.execute(
                "SELECT size, mtime_ns, ctime_ns FROM rows WHERE path = ? AND settings = ?",
                (os.fsencode(path), self._settings),
            ).fetchone()
        return stamp is not None and kept == (stamp.size, stamp.mtime_ns, stamp.ctime_ns)

    def restamp(self, path: str, stamp: FileStamp) -> None:
        """Says that a file was changed on purpose and that its row still holds."""
        with ledger_errors(self._ledger.path):
            self._ledger._database.execute(
                "UPDATE rows SET size = ?, mtime_ns = ?, ctime_ns = ? WHERE path = ? AND settings = ?",
                (stamp.size, stamp.mtime_ns, stamp.ctime_ns, os.fsencode(path), self._settings),
            )

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Path and row of the listed files whose row counts, in the order of the list.

        Between two of them the ledger can be written: SQLite lets nobody write who still reads what was there before
        another run wrote.

        Raises:
            LibraryError: the ledger cannot be read, or a row of it cannot be used.
        """
        position = 0
        while page := self._page(position):
            for _, path, row in page:
                yield os.fsdecode(path), Row.from_dict(json.loads(row))
            position = page[-1][0]

    def _page(self, position: int) -> list[tuple[int, bytes, str]]:
        """The next rows behind a position of the list."""
        # The plus keeps SQLite from going by the index of runs, for which it would sort the whole list for each page.
        query = (
            "SELECT listing.position, listing.path, rows.row FROM listing"
            " JOIN rows ON rows.path = listing.path AND rows.settings = ?"
            " WHERE +listing.run = ? AND listing.done AND listing.position > ? ORDER BY listing.position LIMIT ?"
        )
        with ledger_errors(self._ledger.path):
            found = self._ledger._database.execute(query, (self._settings, self._run, position, _PAGE_ROWS))
            return found.fetchall()
