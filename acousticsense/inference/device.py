"""Where networks run."""

from __future__ import annotations

import torch

from acousticsense.errors import SettingsError, quoted


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name.

    Raises:
        SettingsError: no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingsError(f"device {quoted(name)} cannot be used here.", hint='Choose "auto" or "cpu".') from error
    return device
