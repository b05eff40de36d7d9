"""Reads musicnn's TensorFlow-1 checkpoints once and writes them as safetensors.

Run as a file, in an environment of its own that has `tensorflow`, `safetensors` and `musicnn` (PyPI, ISC licence):

    python acousticsense/training/convert_musicnn.py musicnn.safetensors

Nothing else of this project is imported, so that the two environments need not agree.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: The network that is used as a teacher, of Million Song Dataset tags.
NETWORK = "MSD_musicnn"


def read_network() -> dict[str, Any]:
    """All its variables, named `NETWORK/variable`."""
    import tensorflow  # only here: no other part of the project needs it

    package = find_spec("musicnn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("musicnn is not installed in this environment")
    tensors = {}
    reader = tensorflow.compat.v1.train.NewCheckpointReader(f"{Path(package.origin).parent / NETWORK}/")
    for name in reader.get_variable_to_shape_map():
        if "Adam" not in name and "_power" not in name:
            tensors[f"{NETWORK}/{name}"] = reader.get_tensor(name)
    return tensors


if __name__ == "__main__":
    from safetensors.numpy import save_file

    save_file(read_network(), sys.argv[1])
