"""Every kind of event that a book may hold: the ledger's, the trading desk's and dispatch's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast, get_args

from dispatch.events import DispatchEvent
from ledger.events import Event as LedgerEvent
from trading.events import TradingEvent

Event = LedgerEvent | TradingEvent | DispatchEvent

_OF_LEDGER: Final = get_args(LedgerEvent)


def of_ledger(events: Iterable[Event]) -> list[LedgerEvent]:
    """Those that the ledger knows: money is posted from these alone."""
    return [cast("LedgerEvent", event) for event in events if isinstance(event, _OF_LEDGER)]
