"""The demo's own time, so that what it records is dated as in the story that it tells."""

from __future__ import annotations

import time
from datetime import datetime, timedelta


class ScaledClock:
    """From `start` on, `factor` seconds to each that passes."""

    def __init__(self, start: datetime, factor: int) -> None:
        self._start, self._factor, self._begun = start, factor, time.monotonic()

    def __call__(self) -> datetime:
        return self._start + timedelta(seconds=self._factor * (time.monotonic() - self._begun))
