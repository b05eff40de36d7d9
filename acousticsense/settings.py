"""Settings of the server and the command line, read from the environment."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    AliasChoices,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from acousticsense.errors import SettingsError, quoted

Backend = Literal["auto", "pytorch", "openvino", "openvino-int8"]
#: What may compute.
BACKENDS: Final[tuple[str, ...]] = get_args(Backend)

_PREFIX: Final = "ACOUSTICSENSE_"
#: `models/` beside the package: in a checkout and in the image alike.
_MODELS_BESIDE_THE_PACKAGE: Final = Path(__file__).resolve().parent.parent / "models"
#: What to write instead, by pydantic's name of the mistake.
_EXPECTED: Final = {
    "int_parsing": "Set it to a whole number.",
    "int_from_float": "Set it to a whole number.",
    "float_parsing": "Set it to a number.",
    "finite_number": "Set it to a number.",
    "greater_than": "It must be above {gt}.",
    "greater_than_equal": "It must be {ge} or more.",
    "less_than_equal": "It must be {le} or less.",
    "literal_error": "Choose one of {expected}.",
    "bool_parsing": "Set it to true or false.",
    "string_pattern_mismatch": "It must not hold commas, semicolons or line breaks.",
    "extra_forbidden": "There is no such setting.",
}

#: First parts of paths that the server has itself.
_OWN_PATHS: Final = (["api"], ["docs"], ["gradio_api"])

_Seconds = Annotated[FiniteFloat, Field(gt=0)]


def available_cores(root: Path = Path("/")) -> int:
    """Processor cores that this process may use: those it may run on, or fewer where its container has a quota.

    Args:
        root: where `proc` and `sys` lie.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([allowed, *(max(1, math.ceil(quota)) for quota in _quotas(root))])


def _default_concurrency() -> int:
    # The forward pass keeps all cores busy; two requests more than cores are decoded beside it.
    return min(available_cores(), 14) + 2


def _quotas(root: Path) -> Iterator[float]:
    """Cores by each quota of Linux control groups (version 2 and 1) that this process is under."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        # Inside a container its own group is the mount's root; outside, the groups above have quotas, too.
        own = mounted / path.strip("/")
        for group in {mounted, own, *(above for above in own.parents if above.is_relative_to(mounted))}:
            names = ("cpu.max",) if not controllers else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            values = " ".join(_read(group / name) for name in names).split()
            if len(values) == 2 and all(value.isdigit() and int(value) for value in values):  # "max" and -1 are none
                yield int(values[0]) / int(values[1])


def _read(path: Path) -> str:
    """The text of a file of the kernel's; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


class Settings(BaseSettings):
    """Every setting, with its default. `ACOUSTICSENSE_` plus the upper-case name is the environment variable.

    Values passed by keyword go before the environment's.

    Attributes:
        host: address to listen on.
        port: TCP port, 1..65535 (`PORT` is read too).
        model: name, folder, file or hub id of the model that answers by default; empty is the catalogue's default.
        device: "auto", "cpu", "cuda" or "cuda:N".
        backend: what computes: "auto" (the fastest that gives the same answers), "pytorch" (the network as it was
            trained), "openvino" (float32) or "openvino-int8" (8 bits where they pass the equivalence check).
        models: folder with one folder per model.
        cache_dir: where models fetched from a hub, networks converted for this machine and the ledger of libraries are
            kept.
        max_upload_mb: largest file accepted, in MiB.
        max_clip_s: longest excerpt that is decoded for one answer, in seconds.
        max_pcm_mb: most memory for the decoded sound of one request, in MiB.
        max_temporary_mb: most disk for uploads and for bodies on their way, in MiB.
        decode_timeout_s: seconds for decoding one clip of a request.
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
        finetune_max_models: the page makes models out of corrections while fewer than so many are installed; 0: never.
        concurrency: predictions computed at the same time; by default two more than cores, at most 16.
        queue_size: requests that may wait; one more is answered with 503.
        picture_ttl_s: seconds for which a spectrogram, or the files of a timeline, can be fetched.
        max_pictures: spectrograms kept at most; the oldest goes first.
        answer_cache_mb: memory for answers that were given before, in MiB; 0 keeps none.
        library: ledger whose songs the server searches for similar ones (`acousticsense similar --in` fills it); empty
            is none. Whoever may use the server can read the names of its files.
        ray_address: Ray cluster for libraries, "auto", "HOST:PORT" or "ray://HOST:PORT"; empty is this machine alone.
        password: what whoever asks must give as the password of HTTP Basic, or as Bearer token; empty asks for none.
        api_tokens: further ones, with commas between, so that one can be taken back without the others.
        max_requests_per_minute: POST requests of one client; 0 is no limit.
        frame_ancestors: sites that may show the page in a frame, as a content security policy names them.
        allowed_origins: sites whose scripts may ask and read, with blanks between; none by default.
        log_format: "text" or "json", one object a line.
        log_requests: whether each request gets a line.
        public_url: address under which browsers reach the server, when a proxy hides it.
        root_path: path of a site under which its proxy shows the server, for instance "/acousticsense".

    Raises:
        SettingsError: naming the setting, its value and what is allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, frozen=True, extra="forbid", populate_by_name=True, validate_default=True
    )

    host: str = "0.0.0.0"
    port: int = Field(8000, ge=1, le=65_535, validation_alias=AliasChoices("ACOUSTICSENSE_PORT", "PORT"))
    model: str = ""
    device: str = "auto"
    backend: Backend = "auto"
    models: Path = _MODELS_BESIDE_THE_PACKAGE
    cache_dir: Path = Path("~/.cache/acousticsense")
    max_upload_mb: PositiveInt = 200
    max_clip_s: _Seconds = 1800.0
    max_pcm_mb: PositiveInt = 256
    max_temporary_mb: PositiveInt = 8192
    decode_timeout_s: _Seconds = 60.0
    max_loaded_models: PositiveInt = 12
    max_models_mb: PositiveInt = 2048
    max_timeline_s: _Seconds = 14_400.0
    max_timeline_windows: PositiveInt = 4000
    timeline_concurrency: PositiveInt = 2
    timeline_queue_size: NonNegativeInt = 6
    max_batch_files: PositiveInt = 2000
    max_batch_mb: PositiveInt = 4096
    batch_workers: PositiveInt = 2
    batch_concurrency: PositiveInt = 2
    batch_queue_size: NonNegativeInt = 6
    finetune_max_models: NonNegativeInt = 0
    concurrency: PositiveInt = Field(default_factory=_default_concurrency)
    queue_size: NonNegativeInt = 32
    picture_ttl_s: PositiveInt = 3600
    max_pictures: PositiveInt = 200
    answer_cache_mb: NonNegativeInt = 64
    library: str = ""
    ray_address: str = ""
    password: SecretStr = SecretStr("")
    api_tokens: SecretStr = SecretStr("")
    max_requests_per_minute: NonNegativeInt = 0
    frame_ancestors: Annotated[str, Field(pattern=r"^[^;,\r\n]*$")] = ""
    allowed_origins: str = ""
    log_format: Literal["text", "json"] = "text"
    log_requests: bool = False
    public_url: str = ""
    root_path: str = ""

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _explained(error.errors()[0], values) from error

    @model_validator(mode="before")
    @classmethod
    def _leave_blank_ones_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("password", "api_tokens"):  # a guard that somebody wanted must not be off
            if isinstance(given := values.get(name), str) and given and not given.replace(",", "").strip():
                raise SettingsError(f"{name} holds nothing but blanks and commas.", hint="Set a real one, or none.")
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator("models", "cache_dir")
    @classmethod
    def _expand_user(cls, path: Path) -> Path:
        return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises without a home

    @field_validator("root_path")
    @classmethod
    def _begin_with_a_slash(cls, path: str) -> str:
        path = path.rstrip("/")
        if not re.fullmatch(r"(/[\w.~-]+)*", path, re.ASCII) or path.split("/")[1:2] in _OWN_PATHS:
            own = " or ".join(f"/{name}" for (name,) in _OWN_PATHS)
            raise SettingsError(
                f"root_path is {quoted(path)}.",
                hint=f'Set it to a path such as "/acousticsense" that does not begin with {own}.',
            )
        return path

    @property
    def secrets(self) -> tuple[str, ...]:
        """Password and tokens; whoever knows one of them may ask."""
        given = (self.password.get_secret_value(), *self.api_tokens.get_secret_value().split(","))
        return tuple(secret for each in given if (secret := each.strip()))

    def replace(self, **values: Any) -> Settings:
        """These settings but for some; raises like the constructor."""
        return Settings(**{**dict(self), **values})

    def to_env(self) -> dict[str, str]:
        """The environment variables that give another process these settings, but for secrets."""
        return {f"{_PREFIX}{name.upper()}": str(value) for name, value in self if not isinstance(value, SecretStr)}


def _explained(mistake: ErrorDetails, given: Mapping[str, Any]) -> SettingsError:
    """The setting, under the name by which the user set it, its value, and what is allowed."""
    name, value = str(mistake["loc"][0]).removeprefix(_PREFIX).lower(), mistake["input"]
    if name not in given:
        variable = f"{_PREFIX}{name.upper()}"
        name = variable if variable in os.environ else name.upper()
    shown = quoted(value) if isinstance(value, str) else value
    hint = _EXPECTED.get(mistake["type"], f"{mistake['msg']}.").format(**mistake.get("ctx", {}))
    return SettingsError(f"{name} is {shown}.", hint=hint)
