"""A bid's rows are the same whether its changes are projected one by one or all together."""

from __future__ import annotations

import pytest

from adapters.continuity import Discontinuity
from adapters.queries import bids
from adapters.queries.bids import BidFilter, FoundBid
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


def told(bench: Bench, at: int | None = None) -> FoundBid:
    """The bid as it is told as of `at`, by itself and in a list alike."""
    with bench.database.reading(bench.book) as connection:
        position = at or bench.client.run(bench.log.last_sequence())
        found = bids.bid(connection, position, bid().id)
        assert bids.bids(connection, position, BidFilter()) == [found]
    return found


def test_what_was_only_written_is_told_from_its_event(bench: Bench) -> None:
    desk = furnish(bench)
    first, second = bid(), bid(note="dearer")
    desk.draft(first, revision=0, command_id="d1", actor="anna")
    bench.project()
    written = told(bench)
    assert written.state.draft.bid == first
    desk.draft(second, revision=1, command_id="d2", actor="anna")
    desk.approve(second.id, 2, second.digest, command_id="a2", actor="bert")
    bench.project()
    assert (told(bench).state.draft.revision, told(bench).state.draft.approvals) == (2, ("bert",))
    rows = bench.query(ROWS, [bench.book])
    assert [row[5] is None for row in rows] == [True, True, False], (
        "an approval is not in the event that wrote it"
    )
    (_, earlier, *_), (_, later, *_), _ = rows
    assert told(bench, int(str(earlier))) == written
    assert told(bench, int(str(later))).state.draft.bid == second


def test_a_revision_of_what_stands_at_the_market_keeps_what_stands(bench: Bench) -> None:
    desk = furnish(bench)
    one = bid()
    approved(desk, one)
    desk.submit(one.id, 1, command_id="submit", actor="anna")
    desk.draft(bid(note="dearer"), revision=1, command_id="d2", actor="anna")
    bench.project()
    standing = told(bench).state.standing
    assert standing is not None
    assert (standing.draft.revision, told(bench).state.draft.revision) == (1, 2)


def test_an_archived_event_that_writes_no_bid_is_damage(bench: Bench) -> None:
    furnish(bench).draft(bid(), revision=0, command_id="d1", actor="anna")
    bench.project()
    ((sequence,),) = bench.query("SELECT from_seq FROM ledger.bid WHERE book = %s", [bench.book])
    for payload, code in ((b"{}", "archive_altered"), (None, "row_altered")):
        if payload is None:
            bench.query(
                "DELETE FROM ledger.envelope WHERE book = %s AND sequence = %s RETURNING 1",
                [bench.book, sequence],
            )
        else:
            bench.query(
                "UPDATE ledger.envelope SET payload = %s WHERE book = %s AND sequence = %s RETURNING 1",
                [payload, bench.book, sequence],
            )
        with pytest.raises(Discontinuity) as damage:
            told(bench)
        assert damage.value.fault.code == code
