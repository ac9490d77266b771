"""A forecast that is asked for: read from the book, made, and put on record."""

from __future__ import annotations

from typing import Final

from adapters.postgres.database import Connection
from adapters.queries.forecast_inputs import Wanted, forecast_request
from dispatch.forecasts.request import DAYS_MAX, ForecastRequest
from ledger.refusal import Refused

_YEARS: Final = (1970, 9998)


def asked_request(connection: Connection, book: str, wanted: Wanted) -> ForecastRequest:
    """What the forecast is made from.

    Raises:
        Refused: `forecast_horizon` for days that no calendar has; as `forecast_request`.
        Discontinuity: a row that is read was changed.
    """
    if not 1 <= wanted.days <= DAYS_MAX:
        raise Refused("forecast_horizon", f"{wanted.days} is not 1..{DAYS_MAX} days", place="days")
    least, most = _YEARS
    if not least <= wanted.first_day.year <= most:
        raise Refused("forecast_horizon", f"a day of {least} to {most}", place="first")
    return forecast_request(connection, book, wanted)
