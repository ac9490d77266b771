"""A bid's rows are the same whether its changes are projected one by one or all together."""

from __future__ import annotations

from tests.adapters.conftest import Bench
from tests.adapters.desk.desk_book import approved, bid, furnish

ROWS = (
    "SELECT id, from_seq, to_seq, status, live, state FROM ledger.bid WHERE book = %s ORDER BY id, from_seq"
)


def test_changes_of_one_batch_end_each_other(bench: Bench) -> None:
    desk = furnish(bench)
    one = bid()
    approved(desk, one)
    bench.project()
    before = bench.query(ROWS, [bench.book])
    assert [(row[0], row[2] is None) for row in before] == [(one.id, False), (one.id, True)]
    desk.submit(one.id, 1, command_id="submit", actor="anna")
    desk.ask_withdrawal(one.id, "a mistake", command_id="back", actor="anna")
    bench.project()
    rows = bench.query(ROWS, [bench.book])
    assert [row[3] for row in rows] == ["draft", "approved", "submitted", "withdrawing"]
    assert [row[2] for row in rows] == [*(row[1] for row in rows[1:]), None]
    assert [row[4] for row in rows] == [False, False, True, True]

    bench.query("DELETE FROM ledger.bid WHERE book = %s RETURNING 1", [bench.book])
    bench.query(
        "DELETE FROM ledger.position WHERE book = %s AND projection = 'bids' RETURNING 1", [bench.book]
    )
    bench.project()
    assert bench.query(ROWS, [bench.book]) == rows, "all of them in one batch"
