"""What a forecast is asked of: a subject's history, inputs, peers, and the days to come."""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from dispatch.forecasts.forecast import Subject
from dispatch.forecasts.known import Known
from ledger.calendars import Calendar
from ledger.interval import Instant
from ledger.refusal import Refused

DAYS_MAX: Final = 7


class PeerHistory(msgspec.Struct, frozen=True, eq=False):
    """Another site's load or PV, and the power that it has contracted (W)."""

    name: str
    history: Known
    capacity_w: float


class ForecastRequest(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Whole local days from `first_day` on, forecast from what is known at `issued_at`.

    `history` is in the subject's unit (W, or millionths of the currency). `inputs` are other quantities that
    reach into those days, such as temperatures; they may be absent. `trained_through` is the book's sequence
    number that the history was read at. `capacity_w` is what a new site has contracted.
    """

    subject: Subject
    history: Known
    calendar: Calendar
    issued_at: Instant
    first_day: date
    days: int
    trained_through: int
    currency: str = ""
    inputs: dict[str, Known] = {}
    peers: tuple[PeerHistory, ...] = ()
    capacity_w: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.days <= DAYS_MAX:
            raise Refused("forecast_horizon", f"{self.days} is not 1..{DAYS_MAX} days", place="days")
