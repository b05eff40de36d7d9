"""The two images that our networks are trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from acousticsense.spectrogram.front_end import NATIVE_CQT, NATIVE_MEL, FrontEnd

__all__ = ["CQT", "LEVEL_DBFS", "MEL"]

#: RMS level that every window is brought to, dB below full scale.
LEVEL_DBFS: Final = -20.0

MEL: Final[FrontEnd] = replace(NATIVE_MEL, level_dbfs=LEVEL_DBFS)
CQT: Final[FrontEnd] = replace(NATIVE_CQT, level_dbfs=LEVEL_DBFS)
