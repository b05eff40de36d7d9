"""Files on disk: written as a whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

_BLOCK_BYTES: Final = 1 << 20


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that takes `path`'s place when the block ends; when it raises, what was there before stays.

    A link stays, and the file that it leads to is replaced. What is no regular file (a device, a pipe) cannot be
    replaced and is written to directly. The new file has the permissions that `open` would give it.

    Raises:
        OSError: the folder or the disk says no.
    """
    path, is_replaceable = _destination(path)
    if not is_replaceable:
        with path.open("wb") as file:
            yield file
        return
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        new = Path(file.name)
        try:
            yield file
            file.flush()
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            replace_file(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def _destination(path: Path) -> tuple[Path, bool]:
    """The file that a name leads to, and whether it can be replaced: it is regular or not yet there."""
    real = Path(os.path.realpath(path))
    try:
        found = path.stat()
    except FileNotFoundError:
        return real, True
    # /dev/stdout can lead to a regular file that has no name any more; another one must not be made for it.
    is_replaceable = stat.S_ISREG(found.st_mode) and real.exists() and real.samefile(path)
    return (real, True) if is_replaceable else (path, False)


def replace_file(new: Path, old: Path) -> None:
    """Puts `new` in `old`'s place, on disk before it counts."""
    with new.open("rb") as file:
        os.fsync(file.fileno())
    new.replace(old)
    sync_folder(old.parent)


def replace_folder(draft: Path, folder: Path) -> None:
    """Gives a finished folder its name; the one that had it is removed last, and comes back when this fails.

    Args:
        draft: on the same file system.
        folder: the name; a folder that is left behind here is hidden (".replaced-NAME").

    Raises:
        OSError: the parent cannot be written.
    """
    replaced = folder.with_name(f".replaced-{folder.name}")
    if not folder.exists():
        draft.rename(folder)
    else:
        shutil.rmtree(replaced, ignore_errors=True)
        folder.rename(replaced)
        try:
            draft.rename(folder)
        except BaseException:
            replaced.rename(folder)
            raise
    sync_folder(folder.parent)
    shutil.rmtree(replaced, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network shares cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hex; reads it in blocks.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    """The process's umask; it can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
