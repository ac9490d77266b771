"""Units and contracts are read again when, and only when, something was registered."""

from __future__ import annotations

from adapters.desk.binding import SiteTies
from ledger.trading_unit import RegisterTradingUnit
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import bid, furnish, unit


def test_a_unit_that_another_process_registered_is_seen(bench: Bench) -> None:
    furnish(bench)
    one = bid()
    before = SiteTies.read(bench.database, bench.book)
    assert before.others(one.unit, one) == {}
    assert SiteTies.read(bench.database, bench.book) is before
    bench.door.execute(sample.register_party("another"), command_id="party", actor="anna")
    bench.project()
    assert SiteTies.read(bench.database, bench.book) is before, "a party is no tie"

    other = unit("neighbour", ("S2",))
    bench.door.execute(RegisterTradingUnit(sample.FROM_2026, other), command_id="other", actor="anna")
    bench.project()
    after = SiteTies.read(bench.database, bench.book)
    assert after.others(one.unit, one).keys() == {"neighbour"}
    assert after.others("neighbour", one).keys() == {one.unit}
    assert SiteTies.read(bench.database, "another-book").others(one.unit, one) == {}, "a book has its own"
