"""The first minute of a UTC day, in which nobody takes a lease that he did not have before it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from dispatch.control.lease import CLOCK_MS, WRITE_MS_MAX

_TEST: Final = timedelta(seconds=60)
"""The longest from a test's begin to the last lease that is taken in it."""
_MINUTE: Final = timedelta(milliseconds=WRITE_MS_MAX + CLOCK_MS)


def past_new_day() -> None:
    """Wait where a test that begins now would have a lease taken in that minute."""
    time.sleep(wait_s(datetime.now(UTC)))


def wait_s(now: datetime) -> float:
    """How long that is, in seconds."""
    midnight = (now + _TEST).replace(hour=0, minute=0, second=0, microsecond=0)
    return max((midnight + _MINUTE - now) / timedelta(seconds=1), 0.0)
