"""Which backend answers for a model on this machine, once that has been found out."""

from __future__ import annotations

import logging
import platform
from pathlib import Path
from typing import Final

from acousticsense.errors import SettingsError
from acousticsense.inference.backends.base import Backend
from acousticsense.inference.backends.openvino import OpenVinoBackend, library_versions
from acousticsense.inference.backends.store import NetworkStore, key_of
from acousticsense.models.spec import ModelSpec
from acousticsense.settings import Settings

_log: Final = logging.getLogger(__name__)

#: Counted up when networks are converted, quantised or chosen in another way than before.
_REVISION: Final = 4


def network_store(settings: Settings) -> NetworkStore:
    """Where converted networks are kept."""
    return NetworkStore(settings.cache_dir / "networks")


def network_key(spec: ModelSpec, wanted: str) -> str:
    """Where the store keeps what was found out about a model: it holds for these weights, libraries and this CPU."""
    return key_of(
        revision=_REVISION,
        weights=spec.weights_sha256,
        architecture=spec.architecture,
        model_args=dict(spec.model_args),
        input_shape=spec.front_end.input_shape(spec.windows),
        libraries=library_versions(),
        cpu=_cpu(),
        wanted=wanted,
    )


def stored_backend(spec: ModelSpec, store: NetworkStore, wanted: str) -> Backend | None:
    """The backend that was chosen for a model; None when nothing was, or PyTorch."""
    if wanted == "pytorch" or library_versions() is None:
        return None
    found = store.get(network_key(spec, wanted))
    if found is None or found.network is None:
        return None
    try:
        return OpenVinoBackend(found.network, name=str(found.report["chosen"]))
    except (RuntimeError, KeyError, ImportError) as error:
        _log.warning("the converted network of %s cannot be used, PyTorch answers: %s", spec.name, error)
        return None


def check_installed(wanted: str) -> None:
    """Refuses a setting that needs libraries which are not there.

    Raises:
        SettingsError: OpenVINO is asked for and missing.
    """
    if wanted.startswith("openvino") and library_versions() is None:
        raise SettingsError(
            f"The backend {wanted!r} needs OpenVINO and NNCF, which are not installed.",
            hint='Install them (pip install "acousticsense[openvino]"), or choose the backend "auto".',
        )


def _cpu() -> str:
    """Model and abilities of the processor, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    told = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    return "\n".join([platform.machine(), platform.processor(), *told])
