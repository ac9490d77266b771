"""What was read while our clock was set back, found by its number and by its stamp."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from adapters.telemetry.forwarding import Forwarder
from adapters.telemetry.history import History
from adapters.telemetry.outbox import Outbox
from adapters.telemetry.shown import TelemetryShown, shown
from ledger.interval import Interval
from tests.adapters.conftest import Bench
from tests.adapters.telemetry.samples import T0, sample

HOUR_MS = 3_600_000
BACK = range(14, 37)


def filled(bench: Bench, folder: Path) -> None:
    """1 to 40, one a second; 14 to 36 stamped an hour early."""
    outbox = Outbox(folder, 1 << 20)
    for number in range(1, 41):
        set_back_ms = HOUR_MS if number in BACK else 0
        outbox.put(sample(number, at_ms=T0 + 1000 * number - set_back_ms))
    asyncio.run(Forwarder(outbox, bench.client, bench.book).turn())
    outbox.close()


def ask(bench: Bench, start_s: int, end_s: int, limit: int = 100) -> TelemetryShown:
    start, end = (datetime.fromtimestamp(T0 // 1000 + second, UTC) for second in (start_s, end_s))
    return shown(History(bench.client, bench.book), "B1", Interval(start, end), limit)


def numbers(found: TelemetryShown) -> list[int]:
    return [one.number for one in found.samples]


def test_it_is_found_by_its_number_and_where_it_is_stamped(bench: Bench, tmp_path: Path) -> None:
    filled(bench, tmp_path)
    whole = ask(bench, 0, 60)
    assert numbers(whole) == list(range(1, 41))
    assert "backwards" in {mark.kind for mark in whole.marks}
    assert not any(mark.count for mark in whole.marks), "nothing is missing"
    early = ask(bench, -3600, -3500)
    assert numbers(early) == list(BACK)
    assert not early.marks
    assert numbers(ask(bench, -3600, 60)) == list(range(1, 41))
    newest = ask(bench, 0, 60, 10)
    assert numbers(newest) == list(range(31, 41))
    assert newest.more


def test_what_was_read_at_that_time_before_is_not_taken_for_a_gap(bench: Bench, tmp_path: Path) -> None:
    """The hour was read once already: between both lies what is stamped after the span."""
    outbox = Outbox(tmp_path, 1 << 20)
    for number in range(1, 31):
        outbox.put(sample(number))
    for number in range(31, 41):
        outbox.put(sample(number, at_ms=T0 + 1000 * (number - 30)))
    asyncio.run(Forwarder(outbox, bench.client, bench.book).turn())
    outbox.close()
    found = ask(bench, 1, 11)
    assert numbers(found) == [*range(1, 11), *range(31, 41)]
    assert [mark.kind for mark in found.marks] == ["backwards"]
