"""Settings come from the environment and complain in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from acousticsense.errors import SettingsError
from acousticsense.settings import Settings


def test_defaults_need_no_environment() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert settings.models.name == "models"


def test_values_are_converted() -> None:
    settings = Settings.from_env(
        {"ACOUSTICSENSE_PORT": "9000", "ACOUSTICSENSE_MODELS": "/m", "ACOUSTICSENSE_MAX_CLIP_S": "60"}
    )
    assert (settings.port, settings.models, settings.max_clip_s) == (9000, Path("/m"), 60.0)


def test_port_is_read_too_but_ours_wins() -> None:
    assert Settings.from_env({"PORT": "81"}).port == 81
    assert Settings.from_env({"PORT": "81", "ACOUSTICSENSE_PORT": "82"}).port == 82


def test_blank_is_unset() -> None:
    assert Settings.from_env({"PORT": " "}).port == 8000


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ACOUSTICSENSE_PORT": "eight"}, "ACOUSTICSENSE_PORT is 'eight'. Set it to a whole number"),
        ({"PORT": "70000"}, "port is 70000. Choose one between 1 and 65535"),
        ({"ACOUSTICSENSE_CONCURRENCY": "0"}, "concurrency is 0. It must be above 0"),
        ({"ACOUSTICSENSE_QUEUE_SIZE": "-1"}, "queue_size is -1"),
        ({"ACOUSTICSENSE_MAX_CLIP_S": "long"}, "MAX_CLIP_S is 'long'. Set it to a number"),
    ],
)
def test_unusable_values_are_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.from_env(environ)


def test_the_environment_of_another_process_gives_the_same_settings(tmp_path: Path) -> None:
    settings = Settings(port=9000, model="mine", backend="openvino", max_clip_s=12.5, cache_dir=tmp_path)
    assert Settings.from_env(settings.to_env()) == settings


def test_an_unknown_backend_lists_what_there_is() -> None:
    with pytest.raises(SettingsError, match=r"abacus.*openvino-int8"):
        Settings.from_env({"ACOUSTICSENSE_BACKEND": "abacus"})
