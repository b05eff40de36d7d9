"""Where music lies and lists go: local paths, and objects in a store by URL, through fsspec.

A local path is handled by the caller as ever; everything here that is told one gives it back or does nothing. Objects
are read in blocks, and only those that hold the excerpt that is analysed.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Final

from acousticsense.errors import LibraryError
from acousticsense.library.identity import FileStamp

#: Stores, by the scheme of their URLs. No http: a playlist could then make this machine fetch anything from anywhere.
_SCHEMES: Final = ("s3", "gs", "memory")
_LOCAL_SCHEME: Final = "file://"
#: What is read at a time: 10 s of mp3 at 320 kbit/s are 400 KB.
_BLOCK_BYTES: Final = 2**20
_HINT: Final = "Check the address, the network and your access to the store; the next run tries again."


def is_remote(place: str) -> bool:
    """Whether this names objects in a store."""
    return place.startswith(tuple(f"{scheme}://" for scheme in _SCHEMES))


def absolute(place: str) -> str:
    """A place that means the same in every folder; `file://` URLs become paths."""
    if is_remote(place):
        return place
    path = place.removeprefix(_LOCAL_SCHEME)
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - Path follows links, and raises for unknown users


def output(place: str) -> Path | str:
    """Where a list goes: a URL stays text, for a Path would shorten its slashes."""
    return place if is_remote(place) else Path(place.removeprefix(_LOCAL_SCHEME))


def check_store(place: str) -> None:
    """Raises LibraryError when the package that speaks to this store is not installed."""
    _store(place)


def objects(place: str) -> Iterator[tuple[str, FileStamp]]:
    """URL and stamp of the object of that name; or of all below a folder, or that match a pattern, without hidden ones.

    A folder is listed at a time, in order.

    Raises:
        LibraryError: the store cannot be reached, or there is nothing of that name.
    """
    scheme, _, path = place.partition("://")
    store = _store(place)
    with _errors(place):
        if any(letter in path for letter in "*?["):
            found = store.glob(path, detail=True)
            yield from _named(scheme, {name: info for name, info in found.items() if info["type"] == "file"})
        elif (info := store.info(path))["type"] == "file":
            yield place, _stamp(info)
        else:
            for _, folders, files in store.walk(path, detail=True):
                for name in [name for name in folders if name.startswith(".")]:
                    del folders[name]
                shown = {info["name"]: info for name, info in files.items() if name and not name.startswith(".")}
                yield from _named(scheme, shown)


@contextmanager
def opened(place: str) -> Iterator[str | BinaryIO]:
    """What a decoder reads: the path itself, or the object as a binary file.

    Raises:
        LibraryError: the object could not be read to the end of what was needed. A decoder would take that for the end
            of the sound or for damage, and its answer would stay.
    """
    if not is_remote(place):
        yield place
        return
    with _errors(place):
        watched = _Watched(_store(place).open(place.partition("://")[2], "rb"))
    with io.BufferedReader(watched, _BLOCK_BYTES) as file:
        try:
            yield file
        finally:
            with _errors(place):
                if watched.fault is not None:
                    raise watched.fault


def upload(local: Path, place: str) -> None:
    """Puts a file into a store, as a whole or not at all.

    Raises:
        LibraryError: it cannot be written.
    """
    with _errors(place), local.open("rb") as file, _store(place).open(place.partition("://")[2], "wb") as written:
        shutil.copyfileobj(file, written)


class _Watched(io.RawIOBase):
    """An object as a file that remembers what went wrong while somebody else read it."""

    def __init__(self, file: Any) -> None:
        super().__init__()
        self.fault: Exception | None = None
        self._file = file

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except Exception as error:
            self.fault = error
            raise OSError(str(error)) from error
        buffer[: len(data)] = data
        return len(data)


def _store(place: str) -> Any:
    """The store of a URL, in fsspec's words. Credentials and the like are where its own tools have them."""
    return _connection(place.partition("://")[0])


def forget_stores() -> None:
    """Connections are made anew, from what the environment says then."""
    _connection.cache_clear()


@cache
def _connection(scheme: str) -> Any:
    import fsspec
    from fsspec.implementations.arrow import ArrowFSWrapper

    if scheme == "memory":
        return fsspec.filesystem(scheme)
    try:
        from pyarrow import fs
    except ImportError as error:
        raise LibraryError(
            f"{scheme}:// needs the package pyarrow.", hint="pip install 'acousticsense[parquet]', or copy the files."
        ) from error
    with _errors(f"{scheme}://"):
        if scheme == "gs":
            return ArrowFSWrapper(fs.GcsFileSystem())
        return ArrowFSWrapper(fs.S3FileSystem(endpoint_override=os.environ.get("AWS_ENDPOINT_URL")))


@contextmanager
def _errors(place: str) -> Iterator[None]:
    """Each store has errors of its own kind, and they are not all OSErrors."""
    try:
        yield
    except (LibraryError, GeneratorExit):
        raise
    except FileNotFoundError as error:
        raise LibraryError(f"There is nothing at {place}.", hint=_HINT) from error
    except Exception as error:
        raise LibraryError(f"{place} cannot be used: {error}.", hint=_HINT) from error


def _named(scheme: str, infos: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, FileStamp]]:
    for path in sorted(infos):
        yield f"{scheme}://{path.lstrip('/')}", _stamp(infos[path])


def _stamp(info: Mapping[str, Any]) -> FileStamp:
    """An object's size and date: the store sets the date, so that it stands in for the status change time, too."""
    changed = info.get("created") if info.get("mtime") is None else info["mtime"]
    time_ns = int((changed.timestamp() if isinstance(changed, datetime) else float(changed or 0)) * 1e9)
    return FileStamp(int(info["size"]), time_ns, time_ns)
