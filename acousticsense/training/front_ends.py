"""The two images that our networks are trained on, and the spectrograms that they are cut from."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from acousticsense.spectrogram import NATIVE_CQT, NATIVE_MEL, FrontEnd

__all__ = ["BARE_CQT", "BARE_MEL", "CQT", "LEVEL_DBFS", "MEL"]

#: RMS level that every window is brought to, dB below full scale.
LEVEL_DBFS: Final = -20.0

MEL: Final[FrontEnd] = replace(NATIVE_MEL, level_dbfs=LEVEL_DBFS)
CQT: Final[FrontEnd] = replace(NATIVE_CQT, level_dbfs=LEVEL_DBFS)

#: The same before levels are changed and with next to no offset, which a change of level would change.
BARE_MEL: Final[FrontEnd] = replace(NATIVE_MEL, log_offset=1e-12)
BARE_CQT: Final[FrontEnd] = replace(NATIVE_CQT, log_offset=1e-9)
