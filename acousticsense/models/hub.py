"""Fetches a model from the Hugging Face hub or from ModelScope into a local cache.

Only the few files of one model are fetched, over plain HTTP: interrupted downloads are resumed, a file appears in the
cache whole or not at all, and size and SHA-256 are checked where the hub tells them.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from filelock import FileLock

from acousticsense import __version__
from acousticsense.errors import DownloadError
from acousticsense.models.spec import ModelSpec

__all__ = ["WEIGHTS_SUFFIXES", "fetch", "is_hub_reference"]

logger = logging.getLogger(__name__)

#: File name suffixes that are taken for weights.
WEIGHTS_SUFFIXES: Final = frozenset({".safetensors", ".pt", ".pth", ".ckpt", ".bin"})

_ENDPOINTS: Final[dict[str, tuple[str, str]]] = {
    "hf": ("HF_ENDPOINT", "https://huggingface.co"),
    "ms": ("MODELSCOPE_ENDPOINT", "https://modelscope.cn"),
}
#: Of several weights in a folder, the ones that its other files are versions of.
_PREFERRED: Final = ("save.pt", "model.safetensors")
_SEGMENT: Final = re.compile(r"\w[\w.+-]*")
_TIMEOUT_S: Final = 30.0
_ATTEMPTS: Final = 3
_MAX_LISTING_BYTES: Final = 8 * 2**20
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True)
class _Place:
    """A folder in a repository on a hub."""

    hub: Literal["hf", "ms"]
    endpoint: str
    repository: str
    folder: str

    def listing_url(self) -> str:
        if self.hub == "hf":
            return f"{self.endpoint}/api/models/{self.repository}/tree/main/{quote(self.folder)}".rstrip("/")
        query = urlencode({"Revision": "master", "Root": self.folder})
        return f"{self.endpoint}/api/v1/models/{self.repository}/repo/files?{query}"

    def file_url(self, name: str) -> str:
        path = str(PurePosixPath(self.folder, name))
        if self.hub == "hf":
            return f"{self.endpoint}/{self.repository}/resolve/main/{quote(path)}"
        query = urlencode({"Revision": "master", "FilePath": path})
        return f"{self.endpoint}/api/v1/models/{self.repository}/repo?{query}"


@dataclass(frozen=True)
class _RemoteFile:
    """A file as a hub describes it; what it does not tell is None."""

    name: str
    url: str
    size: int | None
    sha256: str | None


def is_hub_reference(reference: str) -> bool:
    """Whether a reference names a model on a hub: "hf:..." or "ms:..."."""
    return reference.partition(":")[0] in _ENDPOINTS and ":" in reference


def fetch(reference: str, *, cache_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Brings a model of a hub to this machine and returns where it lies.

    Args:
        reference: "hf:owner/repo/folder", or a weights file in it; "ms:..." for ModelScope.
        cache_dir: where downloads are kept; made when missing.
        environ: `HF_ENDPOINT` and `MODELSCOPE_ENDPOINT` name mirrors.

    Returns:
        The folder with `model.json` and weights, or with the weights alone; the file when one was named. When the hub
        cannot be reached, an earlier download serves.

    Raises:
        DownloadError: malformed reference, hub out of reach, nothing there, or the file arrived damaged.
    """
    place, file_name = _parse(reference, environ)
    local = cache_dir.joinpath(place.hub, place.repository, place.folder)
    try:
        listing = _list(place)
    except DownloadError as error:
        names = [path.name for path in local.iterdir() if path.is_file()] if local.is_dir() else []
        if file_name not in names and not (file_name is None and _weights(names)):
            raise
        logger.warning("%s The copy fetched earlier is used.", error)
        return local / (file_name or "")
    try:
        local.mkdir(parents=True, exist_ok=True)
        for name in [file_name] if file_name else _model_files(listing, local, reference):
            _download(_entry(listing, name, reference), local / name)
    except OSError as error:
        raise DownloadError(f"{local} cannot be written: {error}.", hint="Check disk space and permissions.") from error
    return local / (file_name or "")


def _parse(reference: str, environ: Mapping[str, str]) -> tuple[_Place, str | None]:
    hub, _, path = reference.partition(":")
    parts = path.strip("/").split("/")
    if hub not in _ENDPOINTS or len(parts) < 2 or not all(_SEGMENT.fullmatch(part) for part in parts):
        raise DownloadError(
            f"{reference!r} is not a model on a hub.",
            hint='Write "hf:owner/repo/folder" (Hugging Face) or "ms:owner/repo/folder" (ModelScope).',
        )
    variable, default = _ENDPOINTS[hub]
    endpoint = (environ.get(variable) or default).rstrip("/")
    if not endpoint.startswith(("https://", "http://")):
        raise DownloadError(f"{variable} is {endpoint!r}.", hint="It must begin with https:// or http://.")
    names_file = len(parts) > 2 and PurePosixPath(parts[-1]).suffix in WEIGHTS_SUFFIXES
    folder = parts[2:-1] if names_file else parts[2:]
    place = _Place(cast(Literal["hf", "ms"], hub), endpoint, "/".join(parts[:2]), "/".join(folder))
    return place, parts[-1] if names_file else None


def _list(place: _Place) -> dict[str, _RemoteFile]:
    """The files directly in a folder, by name."""
    url = place.listing_url()
    with _opened(Request(url)) as response:
        text = response.read(_MAX_LISTING_BYTES)
    try:
        content = json.loads(text)
        rows = content if place.hub == "hf" else content["Data"]["Files"]
        return {row.name: row for row in (_row(place, raw) for raw in rows) if row is not None}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(f"{url} did not answer with a list of files.", hint="Is the endpoint right?") from error


def _row(place: _Place, raw: Mapping[str, Any]) -> _RemoteFile | None:
    """One row of a listing; None for folders and for names that must not become a local file."""
    path = PurePosixPath(raw["path"] if place.hub == "hf" else raw["Path"])
    inside = path.parent == PurePosixPath(place.folder)
    if raw["type" if place.hub == "hf" else "Type"] in {"directory", "tree"} or not inside:
        return None
    if not _SEGMENT.fullmatch(path.name):
        return None
    sha256 = (raw.get("lfs") or {}).get("oid") if place.hub == "hf" else raw.get("Sha256")
    return _RemoteFile(path.name, place.file_url(path.name), raw.get("size", raw.get("Size")), sha256 or None)


def _weights(names: list[str]) -> str | None:
    """The weights among a folder's files: upstream's, ours, or the only ones there are."""
    preferred = [name for name in _PREFERRED if name in names]
    candidates = [name for name in names if PurePosixPath(name).suffix in WEIGHTS_SUFFIXES]
    return next(iter(preferred or (candidates if len(candidates) == 1 else [])), None)


def _entry(listing: Mapping[str, _RemoteFile], name: str, reference: str) -> _RemoteFile:
    if name not in listing:
        raise DownloadError(f"{reference} has no file {name!r}.", hint=f"It has: {', '.join(listing) or 'nothing'}.")
    return listing[name]


def _model_files(listing: Mapping[str, _RemoteFile], local: Path, reference: str) -> list[str]:
    if "model.json" in listing:
        _download(listing["model.json"], local / "model.json")
        return [ModelSpec.read(local / "model.json").weights_file]
    if weights := _weights(list(listing)):
        return [weights]
    raise DownloadError(
        f"{reference} has no weights that can be told apart: {', '.join(listing) or 'it is empty'}.",
        hint="Name the file: hf:owner/repo/folder/file.pt",
    )


def _download(file: _RemoteFile, target: Path) -> None:
    """Brings one file, resuming what an earlier try left; other processes wait."""
    with FileLock(target.with_name(f"{target.name}.lock")):
        if target.is_file() and _trouble(file, target) is None:
            return
        part = target.with_name(f"{target.name}.part")
        for _ in range(_ATTEMPTS):
            expected = _transfer(file, part)
            received = part.stat().st_size
            if expected is None or received >= expected:
                break
        else:
            raise DownloadError(
                f"{file.url} broke off after {received} of {expected} bytes.", hint="Try again: it will be resumed."
            )
        if trouble := _trouble(file, part):
            part.unlink()
            raise DownloadError(f"{file.url} arrived damaged: {trouble}.", hint="Try again, or another mirror.")
        part.replace(target)
        logger.info("fetched %s (%d bytes)", file.url, target.stat().st_size)


def _transfer(file: _RemoteFile, part: Path) -> int | None:
    """Appends to `part` what it lacks; returns how long the whole should be, None when the server does not say."""
    offset = part.stat().st_size if part.is_file() else 0
    if file.size is None or offset >= file.size:  # without a size there is no telling whether the rest would fit
        part.unlink(missing_ok=True)
        offset = 0
    request = Request(file.url, headers={"Range": f"bytes={offset}-"} if offset else {})
    with _opened(request) as response:
        resumed = offset > 0 and response.status == 206
        length = response.headers.get("Content-Length")
        with part.open("ab" if resumed else "wb") as sink:
            try:
                shutil.copyfileobj(response, sink, _CHUNK_BYTES)
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                logger.warning("%s broke off: %s", file.url, error)
    told = int(length) + (offset if resumed else 0) if length else None
    return told if file.size is None else file.size


def _trouble(file: _RemoteFile, path: Path) -> str | None:
    """What is wrong with a downloaded file, in words."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"expected {file.size} bytes, got {size}"
    if file.sha256 is None:
        return None
    with path.open("rb") as content:
        digest = hashlib.sha256()
        while chunk := content.read(_CHUNK_BYTES):
            digest.update(chunk)
    found = digest.hexdigest()
    return None if found == file.sha256 else f"expected SHA-256 {file.sha256}, got {found}"


@contextmanager
def _opened(request: Request) -> Iterator[http.client.HTTPResponse]:
    request.add_header("User-Agent", f"acousticsense/{__version__}")
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as response:
            yield response
    except HTTPError as error:
        if error.code in {401, 403, 404}:
            raise DownloadError(
                f"{request.full_url} is not there, or not public ({error.code}).",
                hint="Check owner, repository and folder.",
            ) from error
        raise DownloadError(f"{request.full_url} answered {error.code} {error.reason}.", hint="Try later.") from error
    except (URLError, TimeoutError, ConnectionError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{request.full_url} cannot be reached: {reason}.",
            hint="Check the network, or set HF_ENDPOINT or MODELSCOPE_ENDPOINT to a mirror.",
        ) from error
