"""start.sh, and the files an environment or an image is made from.

The script runs for real in a folder of its own. On its PATH there are the system's small tools and stand-ins for what
would change the machine or take minutes: python3, uv, conda, apt-get. Each stand-in writes down how it was called.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from acousticsense.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPTS = str(Path(sys.executable).parent)
TOOLS = (
    *("awk", "bash", "cat", "cksum", "cp", "dirname", "du", "env", "grep", "head", "id", "ls", "mkdir", "mktemp"),
    *("readlink", "rm", "sed", "uname"),
)

#: A Python that has every package already: it makes an environment by copying itself, and its pip only takes notes.
PYTHON = f"""
case "$1 $2 $3" in
  "-m venv "*) echo "venv $3" >>"$NOTES"; mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; : >"$3/pyvenv.cfg"; exit ;;
  "-m pip config") echo "${{PIP_INDEX:-}}"; exit ;;
  "-m pip --version") exit ;;
  "-m pip install")
    echo "pip $*" >>"$NOTES"
    case "$*" in *" uv") [ -z "${{UV_FROM_PYPI:-}}" ] || cp "$UV_FROM_PYPI" "${{0%/*}}/uv" ;; esac
    exit "${{PIP_STATUS:-0}}" ;;
  "-m pytest "*) echo "pytest $* in $PWD" >>"$NOTES"; exit ;;
esac
exec {sys.executable} "$@"
"""

UV = """
case "$1" in
  --version) exit 0 ;;
  cache) echo "${UV_CACHE:-$NOTES.cache}" ;;
  *) echo "uv $* index=${UV_DEFAULT_INDEX:-} cache=${UV_CACHE_DIR:-}" >>"$NOTES"; exit "${UV_STATUS:-0}" ;;
esac
"""

#: Knows the subcommands that start.sh uses; environments live in $CONDA_ENVS.
CONDA = """
me="${0##*/}"
echo "$me $*" >>"$NOTES"
case "$1 $2" in
  "shell.bash hook" | "shell hook")
    echo "$me() {
      [ \\"\\$1\\" = activate ] && [ -d \\"$CONDA_ENVS/\\$2\\" ] || return 1
      export CONDA_DEFAULT_ENV=\\"\\$2\\" CONDA_PREFIX=\\"$CONDA_ENVS/\\$2\\"
    }
    echo \\$a_variable_that_is_not_set >/dev/null
    false" ;;
  "env create" | "create --yes")
    for file; do :; done; cp "$file" "$NOTES.environment.yml"
    [ -z "${CONDA_FAILS:-}" ] || { echo "CondaHTTPError" >&2; exit 1; }
    mkdir -p "$CONDA_ENVS/acousticsense/bin"
    cp "$CONDA_PYTHON" "$CONDA_ENVS/acousticsense/bin/python" ;;
esac
"""

DF = 'echo "Filesystem 1024-blocks Used Available Capacity Mounted"; echo "disk 9 9 ${FREE_KB:-99000000} 9% /"\n'


class Clone:
    """A folder with start.sh in it, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "my songs 音乐"
        self.path = folder / "path"
        self.notes_file = folder / "notes"
        self.environment = {
            "NOTES": str(self.notes_file),
            "HOME": str(folder / "no home"),
            "LC_ALL": "C.UTF-8",
            "ACOUSTICSENSE_TORCH": "cuda",  # tests/test_cpu_torch.py does without
        }
        for name in (
            "start.sh",
            "environment.yml",
            "pyproject.toml",
            ".ci/requirements.lock",
            ".ci/requirements-test.lock",
            ".ci/install-cpu-torch",
        ):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, self.root / name)
        (self.root / "app_gradio.py").write_text("import sys; print('served', *sys.argv[1:])\n")
        self.path.mkdir()
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool) or pytest.fail(f"this test needs {tool}"))
        self.put("df", DF)
        self.put("python3", PYTHON)
        self.put("uv", UV)

    def put(self, name: str, script: str) -> Path:
        """Puts a stand-in on the PATH."""
        stand_in = self.path / name
        stand_in.unlink(missing_ok=True)
        stand_in.write_text(f"#!{shutil.which('bash')}\n{script}")
        stand_in.chmod(0o755)
        return stand_in

    def start(self, *arguments: str, user: int | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.path / "bash"), str(self.root / "start.sh"), *arguments],
            env={"PATH": str(self.path), **self.environment, **environment},
            cwd=self.path.parent,
            user=user,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def served(self, *arguments: str, **environment: str) -> str:
        """What a start that must succeed printed."""
        done = self.start(*arguments, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def refused(self, *arguments: str, user: int | None = None, **environment: str) -> str:
        """The last line, the sentence for the user, of a start that must fail."""
        done = self.start(*arguments, user=user, **environment)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert not done.stdout
        return done.stderr.strip().splitlines()[-1]

    def notes(self) -> list[str]:
        """How the stand-ins were called since the last look."""
        lines = self.notes_file.read_text().splitlines() if self.notes_file.exists() else []
        self.notes_file.unlink(missing_ok=True)
        return lines


@pytest.fixture
def clone() -> Iterator[Clone]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Clone(Path(folder))


class TestVenv:
    def test_first_start_prepares_and_serves(self, clone: Clone) -> None:
        assert clone.served("--port", "9000", "--model", "a b") == "served --port 9000 --model a b"
        venv, packages, project = clone.notes()
        python = f"{clone.root}/.venv/bin/python"
        assert venv == f"venv {clone.root}/.venv"
        assert packages.startswith(
            f"uv pip install --python {python} --compile-bytecode --require-hashes "
            f"-r {clone.root}/.ci/requirements.lock "
        )
        assert project.startswith(f"uv pip install --python {python}")
        assert f"--no-deps --no-build-isolation --editable {clone.root} " in project

    def test_second_start_goes_straight_to_the_server(self, clone: Clone) -> None:
        clone.served()
        clone.notes()
        assert clone.served("--host", "::1") == "served --host ::1"
        assert clone.notes() == []

    def test_changed_lock_is_installed(self, clone: Clone) -> None:
        clone.served()
        clone.notes()
        with (clone.root / ".ci/requirements.lock").open("a") as lock:
            lock.write("one-more==1.0\n")
        clone.served()
        assert [note.split()[0] for note in clone.notes()] == ["uv", "uv"]

    def test_interrupted_installation_is_done_again(self, clone: Clone) -> None:
        assert "could not be fetched" in clone.refused(
            UV_STATUS="1", UV_DEFAULT_INDEX=f"http://127.0.0.1:{free_port()}/"
        )
        clone.notes()
        assert clone.served() == "served"
        assert [note.split()[0] for note in clone.notes()] == ["uv", "uv"]

    def test_half_installed_change_that_is_taken_back_is_installed_again(self, clone: Clone) -> None:
        clone.served()
        lock = clone.root / ".ci/requirements.lock"
        before = lock.read_bytes()
        lock.write_bytes(before + b"one-more==1.0\n")
        clone.refused(UV_STATUS="1", UV_DEFAULT_INDEX=f"http://127.0.0.1:{free_port()}/")
        lock.write_bytes(before)
        clone.notes()
        clone.served()
        assert [note.split()[0] for note in clone.notes()] == ["uv", "uv"]

    def test_moved_folder_gets_a_new_environment(self, clone: Clone) -> None:
        clone.served()
        clone.root = clone.root.rename(clone.root.with_name("moved"))
        clone.notes()
        clone.served()
        assert clone.notes()[0] == f"venv {clone.root}/.venv"

    def test_lost_interpreter_gets_a_new_environment(self, clone: Clone) -> None:
        clone.served()
        (clone.root / ".venv/bin/python").unlink()
        clone.notes()
        clone.served()
        assert clone.notes()[0] == f"venv {clone.root}/.venv"

    def test_folder_that_holds_something_else_is_left_alone(self, clone: Clone) -> None:
        song = clone.root / ".venv" / "song.mp3"
        song.parent.mkdir()
        song.write_text("music")
        assert "was not made by start.sh" in clone.refused()
        assert song.read_text() == "music"

    def test_empty_folder_becomes_the_environment(self, clone: Clone) -> None:
        (clone.root / ".venv").mkdir()
        assert clone.served() == "served"

    def test_what_an_interrupted_creation_left_is_made_anew(self, clone: Clone) -> None:
        (clone.root / ".venv" / "lib").mkdir(parents=True)
        (clone.root / ".venv" / "acousticsense.made").touch()
        assert clone.served() == "served"
        assert not (clone.root / ".venv" / "lib").exists()

    def test_link_to_something_else_is_left_alone(self, clone: Clone) -> None:
        music = clone.root.parent / "music"
        music.mkdir()
        (clone.root / ".venv").symlink_to(music)
        assert "is a link to" in clone.refused()
        (music / "song.mp3").write_text("music")
        assert "is a link to" in clone.refused()
        assert [file.name for file in music.iterdir()] == ["song.mp3"]

    def test_link_to_nothing_is_refused(self, clone: Clone) -> None:
        (clone.root / ".venv").symlink_to(clone.root.parent / "gone")
        assert "is a link to" in clone.refused()

    def test_link_to_the_environment_of_this_folder_is_used(self, clone: Clone) -> None:
        clone.served()
        elsewhere = (clone.root / ".venv").rename(clone.root.parent / "on another disk")
        (clone.root / ".venv").symlink_to(elsewhere)
        clone.notes()
        assert clone.served() == "served"
        assert clone.notes() == []

    def test_environment_that_the_user_made_is_kept(self, clone: Clone) -> None:
        made = clone.root / ".venv"
        (made / "bin").mkdir(parents=True)
        shutil.copy(clone.path / "python3", made / "bin" / "python")
        (made / "pyvenv.cfg").touch()
        (made / "notes.txt").write_text("mine")
        assert clone.served() == "served"
        assert (made / "notes.txt").read_text() == "mine"

    def test_user_id_without_a_name_gets_one(self, clone: Clone) -> None:
        """Python's getpass.getuser(), which PyTorch calls, looks for it in LOGNAME."""
        (clone.path / "id").unlink()
        clone.put("id", 'case "$1" in -u) echo 12345 ;; *) echo 12345; exit 1 ;; esac')
        (clone.root / "app_gradio.py").write_text("import getpass; print(getpass.getuser())")
        assert clone.served() == "user12345"

    def test_real_python_makes_the_environment(self, clone: Clone) -> None:
        clone.put("python3", f'exec {Path(sys.base_prefix) / "bin" / "python3"} "$@"\n')
        assert clone.served("--device", "cpu") == "served --device cpu"
        assert (clone.root / ".venv/pyvenv.cfg").exists()

    def test_newer_python_is_found_beside_an_old_one(self, clone: Clone) -> None:
        clone.put("python3", "exit 1\n")
        clone.put("python3.12", PYTHON)
        assert clone.served() == "served"


class TestInstaller:
    def test_missing_uv_comes_from_pypi(self, clone: Clone) -> None:
        uv = clone.put("uv", UV).rename(clone.path / "uv-from-pypi")
        assert clone.served(UV_FROM_PYPI=str(uv)) == "served"
        notes = clone.notes()
        assert re.fullmatch("pip -m pip install .* uv", notes[1])
        assert [note.split()[0] for note in notes[2:]] == ["uv", "uv"]

    def test_pip_installs_where_uv_will_not_run(self, clone: Clone) -> None:
        clone.put("uv", "exit 126\n")
        assert clone.served() == "served"
        packages, project = clone.notes()[-2:]
        assert packages == f"pip -m pip install --require-hashes -r {clone.root}/.ci/requirements.lock --no-deps"
        assert project.endswith(f"--editable {clone.root}")

    def test_pip_tries_when_uv_fails_and_the_index_answers(self, clone: Clone) -> None:
        with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as index:  # answers 501 to everything
            threading.Thread(target=index.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{index.server_port}/"
            assert clone.served(UV_STATUS="2", UV_DEFAULT_INDEX=address) == "served"
            index.shutdown()
        assert [note.split()[0] for note in clone.notes()] == ["venv", "uv", "pip", "pip"]

    def test_mirror_in_pips_settings_is_used_by_uv(self, clone: Clone) -> None:
        clone.served(PIP_INDEX="https://mirror.example/simple")
        assert "index=https://mirror.example/simple" in clone.notes()[1]

    def test_cache_that_cannot_be_written_is_replaced(self, clone: Clone) -> None:
        clone.served(UV_CACHE="/proc/nowhere")
        assert f"cache={clone.root}/.venv/.uv-cache" in clone.notes()[1]

    def test_cache_on_the_same_disk_is_kept(self, clone: Clone) -> None:
        clone.served()
        assert clone.notes()[1].endswith("cache=")


class TestConda:
    @pytest.fixture(autouse=True)
    def _environments(self, clone: Clone) -> None:
        clone.environment["CONDA_ENVS"] = str(clone.path.parent / "envs")
        clone.environment["CONDA_PYTHON"] = str(clone.path / "python3")

    @pytest.mark.parametrize(
        ("name", "creation"),
        [
            ("conda", "conda env create --file "),
            ("mamba", "mamba create --yes --file "),
            ("micromamba", "micromamba create --yes --file "),
        ],
    )
    def test_environment_is_created_once_and_activated(self, clone: Clone, name: str, creation: str) -> None:
        clone.put(name, CONDA)
        (clone.root / "app_gradio.py").write_text("import os; print(os.environ['CONDA_PREFIX'])\n")
        prefix = str(clone.path.parent / "envs" / "acousticsense")
        assert clone.served() == prefix
        notes = clone.notes()
        assert any(note.startswith(creation) and note.endswith("/environment.yml") for note in notes)
        created = yaml.safe_load(Path(f"{clone.notes_file}.environment.yml").read_text())
        assert created["dependencies"] == ["python=3.11", "pip"]  # start.sh installs the packages
        assert f"uv pip install --python {prefix}/bin/python" in notes[-1]
        assert not (clone.root / ".venv").exists()

        assert clone.served() == prefix
        assert [note for note in clone.notes() if "hook" not in note] == []

    def test_conda_comes_before_the_others(self, clone: Clone) -> None:
        for name in ("micromamba", "mamba", "conda"):
            clone.put(name, CONDA)
        clone.served()
        assert not any("mamba" in note for note in clone.notes())

    def test_conda_named_by_its_shell_hook_is_found(self, clone: Clone) -> None:
        elsewhere = clone.path.parent / "conda"
        clone.put("conda", CONDA).rename(elsewhere)
        clone.served(CONDA_EXE=str(elsewhere))
        assert any(note.startswith("conda env create") for note in clone.notes())

    def test_active_environment_is_used_as_it_is(self, clone: Clone) -> None:
        clone.put("conda", CONDA)
        prefix = clone.path.parent / "mine"
        (prefix / "bin").mkdir(parents=True)
        shutil.copy(clone.path / "python3", prefix / "bin/python")
        active = {"CONDA_DEFAULT_ENV": "acousticsense", "CONDA_PREFIX": str(prefix)}
        assert clone.served(**active) == "served"
        assert not any(note.startswith("conda") for note in clone.notes())
        assert clone.served(**active) == "served"
        assert clone.notes() == []

    def test_other_active_environment_is_left_alone(self, clone: Clone) -> None:
        clone.put("conda", CONDA)
        clone.served(CONDA_DEFAULT_ENV="base", CONDA_PREFIX="/nowhere")
        assert any(note.startswith("conda env create") for note in clone.notes())

    def test_environment_with_an_old_python(self, clone: Clone) -> None:
        old = clone.put("old", 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac\n')
        clone.put("conda", CONDA)
        sentence = clone.refused(CONDA_PYTHON=str(old))
        assert "has Python 3.9.2" in sentence
        assert "conda env remove --name acousticsense" in sentence

    def test_failed_creation_says_how_to_do_without(self, clone: Clone) -> None:
        clone.put("conda", CONDA)
        assert "ACOUSTICSENSE_ENV=venv bash start.sh" in clone.refused(CONDA_FAILS="1")
        assert clone.served(ACOUSTICSENSE_ENV="venv") == "served"
        assert (clone.root / ".venv").exists()

    def test_unknown_kind_of_environment(self, clone: Clone) -> None:
        assert "ACOUSTICSENSE_ENV is 'docker'" in clone.refused(ACOUSTICSENSE_ENV="docker")


class TestRefusals:
    """Each is one plain sentence with the fix."""

    def test_no_python(self, clone: Clone) -> None:
        (clone.path / "python3").unlink()
        sentence = clone.refused()
        assert "needs Python 3.10 to 3.13, and this machine has no Python" in sentence
        assert "sudo apt-get install python3" in sentence

    def test_old_python(self, clone: Clone) -> None:
        clone.put("python3", 'case "$1" in --version) echo "Python 3.9.2" ;; *) exit 1 ;; esac\n')
        assert "this machine has Python 3.9.2" in clone.refused()

    def test_no_venv_module(self, clone: Clone) -> None:
        clone.put("python3", 'case "$2" in *ensurepip*) exit 1 ;; esac\n' + PYTHON)
        sentence = clone.refused()
        assert "has no venv module" in sentence
        assert "sudo apt-get install python3-venv" in sentence

    def test_no_disk(self, clone: Clone) -> None:
        sentence = clone.refused(FREE_KB="2048000")
        assert "about 6 GB" in sentence
        assert "2000 MB are free" in sentence

    def test_disk_that_filled_up(self, clone: Clone) -> None:
        clone.put("df", '[ -e "$NOTES" ] && grep -q uv "$NOTES" && FREE_KB=5\n' + DF)
        assert "is full" in clone.refused(UV_STATUS="2")

    def test_no_network(self, clone: Clone) -> None:
        index = f"http://127.0.0.1:{free_port()}/simple"
        sentence = clone.refused(UV_STATUS="2", PIP_INDEX_URL=index)
        assert f"{index} does not answer" in sentence
        assert "name a mirror" in sentence

    def test_no_network_and_no_uv(self, clone: Clone) -> None:
        clone.put("uv", "exit 126\n")
        assert "does not answer" in clone.refused(PIP_STATUS="1", PIP_INDEX_URL=f"http://127.0.0.1:{free_port()}/")

    @pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can become another user")
    def test_folder_of_somebody_else(self, clone: Clone) -> None:
        sentence = clone.refused(user=65534)
        assert "may not write there" in sentence
        assert "a folder of your own" in sentence

    def test_misspelt_command(self, clone: Clone) -> None:
        assert "knows no 'tets'" in clone.refused("tets")
        assert clone.notes() == []

    def test_run_without_a_command(self, clone: Clone) -> None:
        assert "Name the command to run" in clone.refused("run")

    def test_help_installs_nothing(self, clone: Clone) -> None:
        usage = clone.served("--help")
        assert "bash start.sh test" in usage
        assert "set -" not in usage
        assert clone.notes() == []


class TestOtherCommands:
    def test_test_runs_pytest_with_the_test_lock(self, clone: Clone) -> None:
        clone.put("chromium", "")
        clone.served("test", "-k", "one thing")
        _, packages, _, tests = clone.notes()
        assert f"-r {clone.root}/.ci/requirements-test.lock" in packages
        assert tests == f"pytest -m pytest -n 2 --dist loadfile --no-loadscope-reorder -k one thing in {clone.root}"

    def test_server_needs_nothing_more_after_the_tests(self, clone: Clone) -> None:
        clone.put("chromium", "")
        clone.served("test")
        clone.notes()
        assert clone.served() == "served"
        assert clone.notes() == []

    def test_tests_after_the_server_add_their_packages(self, clone: Clone) -> None:
        clone.put("chromium", "")
        clone.served()
        clone.notes()
        clone.served("test")
        assert "requirements-test.lock" in clone.notes()[0]

    @pytest.mark.parametrize("package", ["chromium-headless-shell", "chromium"])
    def test_root_gets_debians_chromium_without_windows_where_there_is_one(self, clone: Clone, package: str) -> None:
        clone.put("id", "echo 0\n")
        known = f'*install*" {package} "*) cp "$0" {clone.path}/{package} ;; *install*) exit 100 ;;'
        clone.put("apt-get", f'echo "apt-get $*" >>"$NOTES"; case "$*" in {known} esac\n')
        done = clone.start("test")
        assert "skipped" not in done.stderr
        asked = [note for note in clone.notes() if re.search("apt-get .*install .*chromium.* fonts-noto-cjk", note)]
        assert len(asked) == 1 + (package == "chromium")

    @pytest.mark.parametrize("user", ["0", "1000"])
    def test_without_chromium_one_line_says_what_is_skipped(self, clone: Clone, user: str) -> None:
        clone.put("id", f"echo {user}\n")
        clone.put("apt-get", "exit 100\n")
        done = clone.start("test")
        assert done.returncode == 0
        assert done.stderr.strip().splitlines()[-1].startswith("The browser tests are skipped: there is no chromium")

    def test_run_runs_a_command_where_the_user_stands(self, clone: Clone) -> None:
        command = ["run", "bash", "-c", 'type -P python; echo "$PWD" "$1" "$GRADIO_ANALYTICS_ENABLED"', "_", "a b"]
        assert clone.served(*command) == f"{clone.root}/.venv/bin/python\n{clone.path.parent} a b False"

    def test_python_settings_of_the_users_shell_do_no_harm(self, clone: Clone) -> None:
        command = ["run", "python", "-c", "import site; print(site.ENABLE_USER_SITE)"]
        assert clone.served(*command, PYTHONHOME="/nowhere") == "False"

    def test_exit_status_is_the_commands(self, clone: Clone) -> None:
        assert clone.start("run", "bash", "-c", "exit 7").returncode == 7


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def pins(lock: str) -> dict[tuple[str, str], Version]:
    """Version by (name, marker) of a file in .ci."""
    requirements = [
        Requirement(line.rstrip(" \\"))
        for line in (REPOSITORY / ".ci" / lock).read_text().splitlines()
        if re.match(r"[a-z0-9]", line)
    ]
    return {(entry.name, str(entry.marker)): Version(next(iter(entry.specifier)).version) for entry in requirements}


def project_table() -> dict[str, Any]:
    return dict(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"])


class TestLocks:
    """`bash .ci/lock` renews them."""

    @pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
    def test_hold_every_dependency_in_a_version_that_fits(self, lock: str) -> None:
        project = project_table()
        wanted = list(project["dependencies"])
        if "test" in lock:
            extras = project["optional-dependencies"]
            wanted += extras["test"] + extras["train"]
        for requirement in map(Requirement, wanted):
            name = requirement.name.replace("_", "-").lower()
            versions = [version for (pinned, _), version in pins(lock).items() if pinned == name]
            assert versions, f"{requirement} is not in {lock}: bash .ci/lock"
            assert all(version in requirement.specifier for version in versions), f"{requirement}: bash .ci/lock"

    def test_test_lock_holds_the_other(self) -> None:
        assert pins("requirements.lock").items() <= pins("requirements-test.lock").items()

    def test_every_pin_has_a_hash(self) -> None:
        for lock in ("requirements.lock", "requirements-test.lock"):
            entries = re.split(r"\n(?=[a-z0-9])", (REPOSITORY / ".ci" / lock).read_text())[1:]
            assert all("--hash=sha256:" in entry for entry in entries)


class TestCondaFile:
    def test_installs_the_lock_and_nothing_else(self) -> None:
        environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
        assert environment["name"] == "acousticsense"
        python, pip, packages = environment["dependencies"]
        assert pip == "pip"
        assert packages == {"pip": ["-r .ci/requirements.lock"]}
        assert python.split("=")[1] in Requirement(f"python{project_table()['requires-python']}").specifier


class TestDockerfile:
    @pytest.fixture
    def lines(self) -> list[str]:
        return (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()

    def test_has_the_same_python_as_the_conda_environment(self, lines: list[str]) -> None:
        images = {line.split()[1] for line in lines if line.startswith("FROM ")}
        assert images == {"python:3.11-slim"}

    def test_copies_what_exists_and_is_not_ignored(self, lines: list[str]) -> None:
        allowed = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
        for name in [name for names in copies for name in names]:
            assert (REPOSITORY / name).exists()
            assert any(fnmatch.fnmatch(name, pattern) for pattern in allowed), f"{name} is in .dockerignore"

    def test_names_the_licences_of_code_weights_and_examples(self, lines: list[str]) -> None:
        weights = {json.loads(file.read_text())["licence"] for file in REPOSITORY.glob("models/*/model.json")}
        identifiers = {"CC BY-SA 3.0": "CC-BY-SA-3.0", "GPL 2+": "GPL-2.0-or-later"}
        examples = json.loads((REPOSITORY / "examples/examples.json").read_text())
        clips = {identifiers[clip["licence"]] for clip in examples}
        (stated,) = re.findall(r'image\.licenses="(.+?)"', "\n".join(lines))
        assert set(stated.split(" AND ")) == {"MIT"} | weights | clips

    def test_is_without_cuda_unless_a_build_argument_says_otherwise(self, lines: list[str]) -> None:
        assert "ARG TORCH=cpu" in lines
        (installation,) = [line for line in lines if "install-cpu-torch" in line and line.startswith("RUN ")]
        assert '[ "$TORCH" = cpu ]' in installation
        assert "cpu | cuda) ;; *)" in installation, "another word ends the build"
        assert "--require-hashes" in installation

    def test_has_a_name_and_a_home_for_any_user_id(self, lines: list[str]) -> None:
        (environment,) = [line for line in lines if line.startswith("ENV PATH")]
        assert {"LOGNAME=acousticsense", "HOME=/home/acousticsense"} <= set(environment.split())

    def test_process_1_is_the_server_itself_so_that_sigterm_reaches_it(self, lines: list[str]) -> None:
        assert 'ENTRYPOINT ["python", "/app/app_gradio.py"]' in lines

    @pytest.mark.skipif(not shutil.which("hadolint", path=SCRIPTS), reason="hadolint comes for Linux on x86-64")
    def test_hadolint_has_nothing_to_say(self) -> None:
        linted = subprocess.run(
            [f"{SCRIPTS}/hadolint", REPOSITORY / "Dockerfile"], capture_output=True, text=True, timeout=300, check=False
        )
        assert (linted.returncode, linted.stdout) == (0, "")

    def test_runs_as_an_ordinary_user_and_is_asked_whether_it_is_ready(self, lines: list[str]) -> None:
        assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]
        assert any(line.startswith("HEALTHCHECK ") and "/readyz" in line for line in lines)


def test_shellcheck_has_nothing_to_say() -> None:
    scripts = [REPOSITORY / "start.sh", *(REPOSITORY / ".ci" / name for name in ("run", "lock", "install-cpu-torch"))]
    linted = subprocess.run(
        [f"{SCRIPTS}/shellcheck", *scripts], capture_output=True, text=True, timeout=300, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")


class TestDeploymentPage:
    @pytest.mark.parametrize("name", Settings.model_fields)
    def test_names_every_setting_with_its_default(self, name: str) -> None:
        row = re.search(
            rf"^\| `ACOUSTICSENSE_{name.upper()}`[^|]*\| (.+?) \|",
            (REPOSITORY / "docs/operate.md").read_text(),
            re.MULTILINE,
        )
        assert row, f"docs/operate.md does not name {name}"
        default = Settings.model_fields[name].default
        if name == "concurrency":
            assert row[1] == "cores + 2, at most 16"
        elif isinstance(default, bool):
            assert row[1] == f"`{str(default).lower()}`"
        elif isinstance(default, (int, float)):
            assert row[1] == f"`{default:g}`"
