"""Settings of the server and the command line, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from acousticsense.errors import SettingsError

__all__ = ["BACKENDS", "Settings", "available_cores"]

#: What may compute.
BACKENDS: Final = ("auto", "pytorch", "openvino", "openvino-int8")

#: `models/` beside the package: in a checkout and in the image alike.
_MODELS_BESIDE_THE_PACKAGE: Final = Path(__file__).resolve().parent.parent / "models"


def available_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


#: The forward pass keeps all cores busy; two requests more than cores are decoded beside it, and none wait for hands.
_CONCURRENCY: Final = min(available_cores(), 14) + 2


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every setting, with its default. `ACOUSTICSENSE_` plus the upper-case name is the environment variable.

    Attributes:
        host: address to listen on.
        port: TCP port, 1..65535 (`PORT` is read too).
        model: name, folder, file or hub id of the model that answers by default; empty is the catalogue's default.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what computes: "auto" (the fastest that gives the same answers), "pytorch" (the network as it was
            trained), "openvino" (float32) or "openvino-int8" (8 bits where they pass the gate).
        models: folder with one folder per model.
        cache_dir: where models fetched from a hub, networks converted for this machine and the ledger of libraries are
            kept.
        max_upload_mb: largest file accepted, in MiB.
        max_clip_s: longest excerpt that is decoded for one answer, in seconds.
        max_pcm_mb: most memory for the decoded sound of one request, in MiB.
        max_loaded_models: models kept in memory beside the default; the least recently used one goes first.
        max_models_mb: most memory for their weights, in MiB.
        max_timeline_s: longest excerpt of one timeline, in seconds.
        max_timeline_windows: most windows of one timeline.
        timeline_concurrency: timelines computed at the same time; predictions go first.
        timeline_queue_size: timelines that may wait; one more is answered with 503.
        max_batch_files: most files of one batch on the page, those in zip archives included.
        max_batch_mb: most that the zip archives of one batch may unpack to, in MiB.
        batch_workers: decoder processes of one batch.
        batch_concurrency: batches analysed at the same time; predictions go first.
        batch_queue_size: batches that may wait; one more is turned away.
        concurrency: predictions computed at the same time; by default two more than cores, at most 16.
        queue_size: requests that may wait; one more is answered with 503.
        picture_ttl_s: seconds for which a spectrogram, or the files of a timeline, can be fetched.
        max_pictures: spectrograms kept at most; the oldest goes first.
        answer_cache_mb: memory for answers that were given before, in MiB; 0 keeps none.
        ray_address: Ray cluster for libraries, "auto", "HOST:PORT" or "ray://HOST:PORT"; empty is this machine alone.
        public_url: address under which browsers reach the server, when a proxy hides it.
    """

    host: str = "0.0.0.0"
    port: int = 8000
    model: str = ""
    device: str = "auto"
    backend: str = "auto"
    models: Path = _MODELS_BESIDE_THE_PACKAGE
    cache_dir: Path = Path(os.path.expanduser("~/.cache/acousticsense"))  # noqa: PTH111 - Path.home raises without a home
    max_upload_mb: int = 200
    max_clip_s: float = 1800.0
    max_pcm_mb: int = 256
    max_loaded_models: int = 12
    max_models_mb: int = 2048
    max_timeline_s: float = 14_400.0
    max_timeline_windows: int = 4000
    timeline_concurrency: int = 2
    timeline_queue_size: int = 6
    max_batch_files: int = 2000
    max_batch_mb: int = 4096
    batch_workers: int = 2
    batch_concurrency: int = 2
    batch_queue_size: int = 6
    concurrency: int = _CONCURRENCY
    queue_size: int = 32
    picture_ttl_s: int = 3600
    max_pictures: int = 200
    answer_cache_mb: int = 64
    ray_address: str = ""
    public_url: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65_535:
            raise SettingsError(f"port is {self.port}.", hint="Choose one between 1 and 65535.")
        for name in (
            "max_upload_mb",
            "max_clip_s",
            "max_pcm_mb",
            "max_loaded_models",
            "max_models_mb",
            "max_timeline_s",
            "max_timeline_windows",
            "timeline_concurrency",
            "max_batch_files",
            "max_batch_mb",
            "batch_workers",
            "batch_concurrency",
            "concurrency",
            "picture_ttl_s",
            "max_pictures",
        ):
            if not getattr(self, name) > 0:  # so that NaN is refused too
                raise SettingsError(f"{name} is {getattr(self, name)}.", hint="It must be above 0.")
        if self.backend not in BACKENDS:
            raise SettingsError(f"backend is {self.backend!r}.", hint=f"Choose one of {', '.join(BACKENDS)}.")
        for name in ("queue_size", "timeline_queue_size", "batch_queue_size", "answer_cache_mb"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}.", hint="It must be 0 or more.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Settings from environment variables.

        Raises:
            SettingsError: naming the variable, its value and what is expected.
        """
        values: dict[str, Any] = {}
        for entry in fields(cls):
            key = f"ACOUSTICSENSE_{entry.name.upper()}"
            if entry.name == "port" and key not in environ:
                key = "PORT"
            if environ.get(key, "").strip():
                values[entry.name] = _convert(key, environ[key].strip(), entry.default)
        return replace(cls(), **values)

    def to_env(self) -> dict[str, str]:
        """The environment variables that `from_env` makes these settings of."""
        return {f"ACOUSTICSENSE_{entry.name.upper()}": str(getattr(self, entry.name)) for entry in fields(self)}


def _convert(key: str, text: str, default: object) -> object:
    """`text` as the type of the setting's default."""
    try:
        if isinstance(default, Path):
            return Path(text).expanduser()
        if isinstance(default, (int, float)):
            return type(default)(text)
    except ValueError as error:
        expected = "a whole number" if isinstance(default, int) else "a number"
        raise SettingsError(f"{key} is {text!r}.", hint=f"Set it to {expected}.") from error
    return text
