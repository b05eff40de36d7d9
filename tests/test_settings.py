"""Settings come from the environment and complain in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from acousticsense.errors import SettingsError
from acousticsense.settings import Settings, available_cores


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("ACOUSTICSENSE_") or name == "PORT":
            monkeypatch.delenv(name)


def read(environ: dict[str, str]) -> Settings:
    """Settings of an environment that has nothing else of ours."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return Settings()


def test_defaults_need_no_environment() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)
    assert settings.models.name == "models"
    assert settings.cache_dir == Path("~/.cache/acousticsense").expanduser()


def test_values_are_converted() -> None:
    settings = read({"ACOUSTICSENSE_PORT": " 9000 ", "ACOUSTICSENSE_MODELS": "/m", "ACOUSTICSENSE_MAX_CLIP_S": "60"})
    assert (settings.port, settings.models, settings.max_clip_s) == (9000, Path("/m"), 60.0)
    assert read({"ACOUSTICSENSE_CACHE_DIR": "~/kept"}).cache_dir == Path("~/kept").expanduser()


def test_port_is_read_too_but_ours_wins() -> None:
    assert read({"PORT": "81"}).port == 81
    assert read({"PORT": "81", "ACOUSTICSENSE_PORT": "82"}).port == 82


def test_blank_is_unset() -> None:
    assert read({"PORT": " "}).port == 8000
    assert read({"ACOUSTICSENSE_PORT": ""}).port == 8000


def test_what_is_passed_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACOUSTICSENSE_MODEL", "theirs")
    assert (Settings(model="mine").model, Settings().model) == ("mine", "theirs")
    assert Settings(port=1).replace(model="mine") == Settings(port=1, model="mine")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ACOUSTICSENSE_PORT": "eight"}, "^ACOUSTICSENSE_PORT is 'eight'. Set it to a whole number"),
        ({"PORT": "70000"}, "^PORT is '70000'. It must be 65535 or less"),
        ({"ACOUSTICSENSE_CONCURRENCY": "0"}, "ACOUSTICSENSE_CONCURRENCY is '0'. It must be above 0"),
        ({"ACOUSTICSENSE_QUEUE_SIZE": "-1"}, "QUEUE_SIZE is '-1'. It must be 0 or more"),
        ({"ACOUSTICSENSE_MAX_CLIP_S": "long"}, "MAX_CLIP_S is 'long'. Set it to a number"),
        ({"ACOUSTICSENSE_MAX_CLIP_S": "nan"}, "MAX_CLIP_S is 'nan'. Set it to a number"),
        ({"ACOUSTICSENSE_BACKEND": "abacus"}, r"BACKEND is 'abacus'. Choose one of .*openvino-int8"),
    ],
)
def test_unusable_values_are_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(environ)


def test_a_path_of_a_site_ends_without_a_slash() -> None:
    assert Settings(root_path="/music/genres/").root_path == "/music/genres"
    assert Settings(root_path="/").root_path == ""


@pytest.mark.parametrize(
    "path", ["music", "/music?x", "/a b", "//music", "https://example.org/music", "/api", "/docs/x"]
)
def test_a_path_of_a_site_that_cannot_be_used_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"root_path is .* does not begin with /api or /docs or /gradio_api"):
        Settings(root_path=path)


def test_an_unusable_argument_is_named_as_it_was_passed() -> None:
    with pytest.raises(SettingsError, match=r"^port is 0\. It must be 1 or more"):
        Settings(port=0)
    with pytest.raises(SettingsError, match=r"^port is 70000"):
        Settings().replace(port=70_000)
    with pytest.raises(SettingsError, match=r"^prot is 1\. There is no such setting"):
        Settings(prot=1)


def test_the_environment_of_another_process_gives_the_same_settings(tmp_path: Path) -> None:
    settings = Settings(port=9000, model="mine", backend="openvino", max_clip_s=12.5, cache_dir=tmp_path)
    assert read(settings.to_env()) == settings


ALLOWED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def control_groups(root: Path, lines: str, files: dict[str, str]) -> Path:
    """The files of a kernel that has these control groups."""
    for name, content in {"proc/self/cgroup": lines, **{f"sys/fs/cgroup/{key}": files[key] for key in files}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("lines", "files", "cores"),
    [
        ("", {}, ALLOWED),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, ALLOWED),
        ("0::/\n", {"cpu.max": "99900000 100000\n"}, ALLOWED),
        ("0::/a.slice/b:c\n", {"a.slice/cpu.max": "100000 100000", "a.slice/b:c/cpu.max": "max 100000"}, 1),
        ("3:cpuset:/\n1:cpu,cpuacct:/docker/x\n", {"cpu/cpu.cfs_quota_us": "1", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALLOWED),
    ],
)
def test_cores_are_those_the_container_may_use(tmp_path: Path, lines: str, files: dict[str, str], cores: int) -> None:
    assert available_cores(control_groups(tmp_path, lines, files)) == cores
