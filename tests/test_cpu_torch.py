"""PyTorch without CUDA where there is no GPU: start.sh and .ci/install-cpu-torch with the real uv.

The package indexes are stand-ins on a real port: tiny wheels in place of PyPI's, which bring CUDA, and of PyTorch's CPU
wheels.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_start import REPOSITORY, Clone, free_port, pins

HAS_GPU = any(Path(path).exists() for path in ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg"))
UV = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")

#: The ordinary index: what the lock names.
CUDA = {
    "torch": ("2.11.0", ["nvidia-cublas", "triton", "tiny"]),
    "torchvision": ("0.26.0", ["torch"]),
    "torchaudio": ("2.11.0", ["torch"]),
    "nvidia-cublas": ("13.1.0.3", []),
    "triton": ("3.6.0", []),
    "tiny": ("1.0", []),
}
#: PyTorch's index holds other packages, too, in versions of its own.
CPU = {
    "torch": ("2.11.0+cpu", ["tiny"]),
    "torchvision": ("0.26.0+cpu", ["torch"]),
    "torchaudio": ("2.11.0+cpu", ["torch"]),
    "tiny": ("9.0", []),
}


#: Makes environments with a pip that does nothing, which takes a tenth of the time: uv installs.
PYTHON = """
if [ "$1 $2" = "-m venv" ]; then
  {real} -m venv --without-pip "$3"
  cd "$3"/lib/python3*/site-packages && mkdir pip && : >pip/__main__.py
  exit
fi
exec {real} "$@"
"""


class Index(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def log_message(self, *_: object) -> None:
        self.asked.append(self.path)


class Indexes:
    """Both indexes, served from a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        handler = functools.partial(type("Handler", (Index,), {"asked": self.asked}), directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.lock = "# the lock\n"
        for name, (version, requires) in CUDA.items():
            digest = self.add("pypi", name, version, requires)
            self.lock += f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via acousticsense\n"
        for name, (version, requires) in CPU.items():
            self.add("cpu", name, version, requires)

    def address(self, index: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{index}"

    def add(self, index: str, name: str, version: str, requires: list[str]) -> str:
        """Adds a wheel with its page, and returns its hash."""
        module = name.replace("-", "_")
        wheel = self.folder / index / name / f"{module}-{version}-py3-none-any.whl"
        wheel.parent.mkdir(parents=True)
        info = f"{module}-{version}.dist-info"
        files = {
            f"{module}.py": f"VERSION = {version!r}\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            + "".join(f"Requires-Dist: {other}\n" for other in requires),
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, content in files.items():
                archive.writestr(file, content)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        page = f'<a href="{wheel.name.replace("+", "%2B")}#sha256={digest}">{wheel.name}</a>'
        (wheel.parent / "index.html").write_text(page)
        return digest


@pytest.fixture
def indexes(tmp_path: Path) -> Iterator[Indexes]:
    indexes = Indexes(tmp_path)
    yield indexes
    indexes.server.shutdown()
    indexes.server.server_close()


@pytest.fixture
def clone(indexes: Indexes) -> Iterator[Clone]:
    assert UV, "uv is among the packages for the tests"
    real = getattr(sys, "_base_executable", sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        clone = Clone(Path(folder))
        for lock in ("requirements.lock", "requirements-test.lock"):
            (clone.root / ".ci" / lock).write_text(indexes.lock)
        clone.put("python3", PYTHON.format(real=real))
        clone.put("uv", f'case "$*" in *--editable*) exit ;; esac\nexec {UV} "$@"\n')
        del clone.environment["ACOUSTICSENSE_TORCH"]
        clone.environment.update(
            UV_DEFAULT_INDEX=indexes.address("pypi"),
            ACOUSTICSENSE_TORCH_INDEX=indexes.address("cpu"),
            UV_HTTP_RETRIES="0",
        )
        yield clone


def installed(clone: Clone) -> dict[str, str]:
    """Version by name of what start.sh put into .venv."""
    code = "from importlib.metadata import distributions as d; print(*(f'{x.name}={x.version}' for x in d()))"
    done = clone.start("run", "python", "-c", code)
    versions = dict(entry.split("=") for entry in done.stdout.split())
    return {name: versions[name] for name in sorted(versions) if name in CUDA}


WITHOUT_CUDA = {"tiny": "1.0", "torch": "2.11.0+cpu", "torchaudio": "2.11.0+cpu", "torchvision": "0.26.0+cpu"}
WITH_CUDA = {name: version for name, (version, _) in sorted(CUDA.items())}

needs_no_gpu = pytest.mark.skipif(HAS_GPU or sys.platform != "linux", reason="is about Linux without an NVIDIA GPU")


@needs_no_gpu
def test_without_a_gpu_pytorch_comes_without_cuda(clone: Clone, indexes: Indexes) -> None:
    assert clone.served("--port", "9000") == "served --port 9000"
    assert installed(clone) == WITHOUT_CUDA
    assert not [path for path in indexes.asked if path.startswith("/pypi/") and "tiny" not in path]

    indexes.asked.clear()
    assert clone.served() == "served"
    assert indexes.asked == [], "a second start goes straight to the server"


@needs_no_gpu
def test_less_disk_is_asked_for(clone: Clone) -> None:
    assert clone.served(FREE_KB="3000000") == "served"


@needs_no_gpu
def test_index_that_cannot_be_reached_costs_one_line(clone: Clone) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    assert "about 6 GB" in clone.refused(ACOUSTICSENSE_TORCH_INDEX=gone, FREE_KB="3000000")
    done = clone.start(ACOUSTICSENSE_TORCH_INDEX=gone)
    assert done.stdout == "served\n"
    said = [line for line in done.stderr.splitlines() if gone in line]
    assert said == [
        f"PyTorch's index of CPU packages, {gone}, does not answer within 5 s. "
        "PyTorch comes from the ordinary index, with CUDA, which takes 5 GB."
    ]
    assert installed(clone) == WITH_CUDA


@needs_no_gpu
def test_index_that_hangs_is_not_waited_for(clone: Clone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = time.monotonic()
        clone.served(ACOUSTICSENSE_TORCH_INDEX=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert time.monotonic() - before < 60
    assert installed(clone) == WITH_CUDA


@needs_no_gpu
@pytest.mark.parametrize("fault", ["other bytes", "no hash"])
def test_wheel_that_is_not_what_the_index_states_is_refused(clone: Clone, indexes: Indexes, fault: str) -> None:
    folder = indexes.folder / "cpu" / "torchaudio"
    if fault == "other bytes":
        with zipfile.ZipFile(next(folder.glob("*.whl")), "a") as wheel:
            wheel.writestr("more.py", "")
    else:
        page = folder / "index.html"
        page.write_text(page.read_text().split("#")[0] + '">torchaudio-2.11.0+cpu-py3-none-any.whl</a>')
    done = clone.start()
    assert done.stdout == "served\n"
    assert "CPU packages could not be installed" in done.stderr
    assert installed(clone) == WITH_CUDA


def test_with_a_gpu_nothing_changes(clone: Clone, indexes: Indexes) -> None:
    clone.put("nvidia-smi", 'echo "GPU 0: NVIDIA H200 (UUID: GPU-1)"\n')
    clone.served()
    assert installed(clone) == WITH_CUDA
    assert not [path for path in indexes.asked if path.startswith("/cpu/")]


def test_a_gpu_that_came_later_is_named_and_used_on_demand(clone: Clone) -> None:
    clone.served(ACOUSTICSENSE_TORCH="cpu")
    assert installed(clone) == WITHOUT_CUDA
    clone.put("nvidia-smi", 'echo "GPU 0: NVIDIA H200 (UUID: GPU-1)"\n')
    assert "ACOUSTICSENSE_TORCH=cuda bash start.sh" in clone.start().stderr
    clone.served(ACOUSTICSENSE_TORCH="cuda")
    assert installed(clone) == WITH_CUDA
    assert clone.start().stderr == ""


def test_other_packages_change_without_the_cpu_index(clone: Clone, indexes: Indexes) -> None:
    clone.served(ACOUSTICSENSE_TORCH="cpu")
    more = f"more==1.0 --hash=sha256:{indexes.add('pypi', 'more', '1.0', [])}\n"
    with (clone.root / ".ci/requirements.lock").open("a") as lock:
        lock.write(more)
    clone.served(ACOUSTICSENSE_TORCH_INDEX=f"http://127.0.0.1:{free_port()}")
    assert installed(clone) == WITHOUT_CUDA
    assert clone.served("run", "python", "-c", "import more; print(more.VERSION)") == "1.0"


def test_pytorch_with_cuda_that_is_there_stays(clone: Clone, indexes: Indexes) -> None:
    clone.served(ACOUSTICSENSE_TORCH="cuda")
    for lock in ("requirements.lock", "requirements-test.lock"):
        with (clone.root / ".ci" / lock).open("a") as file:
            file.write("# changed\n")
    clone.served()
    assert installed(clone) == WITH_CUDA
    assert not [path for path in indexes.asked if path.startswith("/cpu/")]


def test_misspelt_choice(clone: Clone) -> None:
    assert "ACOUSTICSENSE_TORCH is 'gpu'" in clone.refused(ACOUSTICSENSE_TORCH="gpu")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_rest_of_the_lock_is_all_but_pytorch_and_cuda(tmp_path: Path, lock: str) -> None:
    """With the real locks and an environment that has PyTorch's CPU packages already."""
    for name, script in (("python", "exit 0"), ("uv", "exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    source = REPOSITORY / ".ci" / lock
    rest = tmp_path / "rest.lock"
    subprocess.run(
        ["bash", REPOSITORY / ".ci/install-cpu-torch", tmp_path / "uv", tmp_path / "python", source, rest],
        check=True,
        timeout=60,
    )
    left_out = {name for name, _ in pins(lock).keys() - pins(str(rest)).keys()}
    assert {"torch", "torchvision", "torchaudio", "triton", "nvidia-cublas", "cuda-toolkit"} <= left_out
    assert all(name.startswith(("torch", "triton", "nvidia-", "cuda-")) for name in left_out)
    assert not left_out & {name for name, _ in pins(str(rest))}
    entries = rest.read_text().count("--hash=sha256:")
    assert entries > len(pins(str(rest)))
