"""CPU stages that misbehave on files of certain names; importable, so that decoder processes can have them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from acousticsense.inference.decoding import Recipe
from acousticsense.library.decode import Outcome, decode_file


def misbehaving(path: str, recipe: Recipe) -> Outcome:
    """Hangs on "hang", dies on "crash", is killed on "killed"; otherwise the real stage."""
    name = Path(path).name
    if name.startswith("hang"):
        time.sleep(3600)
    if name.startswith("crash"):
        os._exit(7)
    if name.startswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    return decode_file(path, recipe)
