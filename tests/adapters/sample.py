"""Small facts that tests build books from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from ledger.book import Book, FoundBook
from ledger.effective import Period
from ledger.grid_account import Account
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.party import Party, RegisterParty
from ledger.readings import run_of
from ledger.site import RegisterSite, Site

FROM_2026 = Period(datetime(2025, 12, 31, 16, tzinfo=UTC))
AUGUST = datetime(2026, 8, 1, tzinfo=UTC)


def found_book() -> FoundBook:
    return FoundBook(Book("A test portfolio", "operator", "CNY", "Asia/Shanghai", "one_person"))


def register_party(name: str = "operator") -> RegisterParty:
    return RegisterParty(FROM_2026, Party(name, name.title()))


def register_site(name: str = "S1") -> RegisterSite:
    account = Account(
        id=f"A-{name}",
        zone="Asia/Shanghai",
        parts="single_part",
        demand=None,
        power_factor=None,
        export_price=None,
    )
    return RegisterSite(
        FROM_2026, Site(name, f"Site {name}", "Asia/Shanghai", 500_000, 250_000, "sh-single-1-10kv", account)
    )


def register_meter(name: str = "M1", site: str = "S1") -> RegisterMeter:
    meter = Meter(name, site, "storage", ("charge", "discharge"), 900, 250_000, "Asia/Shanghai")
    return RegisterMeter(FROM_2026, meter)


def record_readings(meter: str = "M1", *, day: int = 0, count: int = 96, wh: int = 1000) -> RecordReadings:
    start = AUGUST + timedelta(days=day)
    values = np.arange(count, dtype=np.int64) % 7 + wh
    run = run_of(meter, "charge", start, 900, values, "A")
    return RecordReadings(meter, "2026-08", "test", (run,))
