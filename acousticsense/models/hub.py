"""Fetches a model from the Hugging Face hub or from ModelScope: its description and its weights, nothing else."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final, Literal, cast

import httpx2
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
)

from acousticsense.errors import CheckpointError, DownloadError
from acousticsense.models.formats import WEIGHTS_SUFFIXES, choose_weights
from acousticsense.models.remote import RemoteFile, RemoteFolder, bring, earlier_copies, list_files
from acousticsense.models.spec import SPEC_FILE, ModelSpec

logger = logging.getLogger(__name__)

#: Hub -> the variable that names a mirror, and the hub's own address.
_ENDPOINTS: Final = MappingProxyType(
    {
        "hf": ("HF_ENDPOINT", "https://huggingface.co"),
        "ms": ("MODELSCOPE_ENDPOINT", "https://modelscope.cn"),
    }
)
_SEGMENT: Final = re.compile(r"\w[\w.+-]*")


def is_hub_reference(reference: str) -> bool:
    """Whether a reference names a model on a hub: "hf:..." or "ms:..."."""
    return reference.partition(":")[0] in _ENDPOINTS and ":" in reference


def fetch(reference: str, *, cache_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Brings a model of a hub to this machine and returns where it lies.

    `HF_TOKEN` opens private and gated repositories of Hugging Face; with `HF_HUB_OFFLINE=1` neither hub is asked.

    Args:
        reference: "hf:owner/repo/folder", or a weights file in it; "ms:..." for ModelScope.
        cache_dir: where downloads are kept; made when missing.
        environ: `HF_ENDPOINT` and `MODELSCOPE_ENDPOINT` name mirrors.

    Returns:
        The folder with `model.json` and weights, or with the weights alone; the file when one was named. When the hub
        does not give it, an earlier download serves.

    Raises:
        DownloadError: malformed reference, hub out of reach, nothing there, or the file arrived damaged.
    """
    folder, file = _parse(reference, cache_dir, environ)
    try:
        return _brought(folder, file)
    except (httpx2.HTTPError, OSError, LookupError, TypeError, ValueError, AttributeError, DownloadError) as error:
        told = error if isinstance(error, DownloadError) else _explained(error, reference, folder)
        earlier = next((copy for copy in earlier_copies(folder) if _is_whole(copy, file)), None)
        if earlier is None:
            raise told from error
        logger.warning("%s The copy fetched earlier is used.", told)
        return earlier / (file or "")


def _parse(reference: str, cache_dir: Path, environ: Mapping[str, str]) -> tuple[RemoteFolder, str | None]:
    """The folder on the hub, and the file in it when one is named."""
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
    file = parts.pop() if len(parts) > 2 and PurePosixPath(parts[-1]).suffix in WEIGHTS_SUFFIXES else None
    folder = RemoteFolder(
        hub=cast(Literal["hf", "ms"], hub),
        endpoint=endpoint,
        repository="/".join(parts[:2]),
        path="/".join(parts[2:]),
        cache=cache_dir / hub,
    )
    return folder, file


def _brought(folder: RemoteFolder, file: str | None) -> Path:
    """Brings what the model needs; returns its folder, or the file that was named."""
    files = {name: entry for name, entry in list_files(folder).items() if _SEGMENT.fullmatch(name)}
    if file:
        return bring(_entry(files, file), folder)
    if SPEC_FILE in files:
        weights = ModelSpec.read(bring(files[SPEC_FILE], folder)).weights_file
    else:
        weights = choose_weights(files) or ""
    if not weights:
        raise DownloadError(
            f"{folder.url} has no weights at {folder.path or 'its top'} that can be told apart: it has "
            f"{', '.join(files) or 'nothing there'}.",
            hint="Name the file: hf:owner/repo/folder/file.pt",
        )
    return bring(_entry(files, weights), folder).parent


def _entry(files: Mapping[str, RemoteFile], name: str) -> RemoteFile:
    if name not in files:
        raise DownloadError(f"There is no file {name!r}.", hint=f"There are: {', '.join(files) or 'none'}.")
    return files[name]


def _is_whole(folder: Path, file: str | None) -> bool:
    """Whether a folder on this disk has the file, or all that a model needs."""
    names = [path.name for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    try:
        if file is None and SPEC_FILE in names:
            file = ModelSpec.read(folder / SPEC_FILE).weights_file
        return (file or choose_weights(names)) in names
    except CheckpointError:
        return False


def _explained(error: Exception, reference: str, folder: RemoteFolder) -> DownloadError:
    """What went wrong, in words, and the way out."""
    if isinstance(error, EntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # the reason why huggingface_hub fell back to its cache
    what, hint = f"{folder.url} did not answer as a hub does.", "Is the endpoint right?"
    if isinstance(error, OfflineModeIsEnabled):
        what, hint = f"HF_HUB_OFFLINE is set, and {reference} was not fetched before.", "Unset it to fetch the model."
    elif isinstance(error, GatedRepoError):
        what = f"{reference} is gated: its owner asks for consent."
        hint = f"Agree at {folder.url}, then set HF_TOKEN to a token of that account."
    elif isinstance(error, HfHubHTTPError) and error.response.status_code in {401, 403, 404}:
        what = f"{reference} is not there, or is private ({error.response.status_code})."
        hint = f"Look at {folder.url}; HF_TOKEN opens private repositories of Hugging Face."
    elif isinstance(error, HfHubHTTPError):
        what, hint = f"{folder.url} answered {error.response.status_code}.", "Try later."
    elif isinstance(error, httpx2.HTTPError):
        what = f"{folder.url} cannot be reached: {error}."
        hint = "Check the network, or set HF_ENDPOINT or MODELSCOPE_ENDPOINT to a mirror."
    elif isinstance(error, OSError) and not isinstance(error, FileMetadataError):
        what, hint = f"{folder.cache} cannot be written: {error}.", "Check disk space and permissions."
    return DownloadError(what, hint=hint)
