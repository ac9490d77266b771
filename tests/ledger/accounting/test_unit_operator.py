"""A trading unit's whole statement is receivable from the market: sites, kept, rounding (DOMAIN.md 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.accounting.account import Account
from ledger.accounting.book_journal import Recorded
from ledger.accounting.handover import Handover, HandoverRecorded
from ledger.accounting.journal import JournalEntry
from ledger.accounting.market_receipt import MarketReceipt, MarketReceiptRecorded
from ledger.accounting.trial_balance import trial_balance
from ledger.accounting.unit_operator import STREAMS
from ledger.allocation.record import AllocationRecorded
from ledger.allocation.unit_allocation import Item, ShareTerm, SiteShare, UnitAllocation
from ledger.interval import Interval, Month
from ledger.month_close import Closed, MonthClosed
from ledger.quantity import Money, decimal_text
from ledger.settlement.line import Line
from ledger.settlement.run import RecordSettlement
from ledger.stream import Stream
from ledger.trading_unit import UnitStream
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, result_of, with_streams
from tests.ledger.accounting.test_book_journal import YEAR, balances
from tests.ledger.contract_samples import APRIL, plain_split, yuan

START = datetime(2026, 4, 3, 2, tzinfo=UTC)
SITES = ("pooled", "hosted", "own")
"""Its share is divided by the contract; is its host's outside the pool; is the owner's, a host itself."""
PARTIES = {"hosted": "host", "own": OWNER}


def allocation(
    shares: Mapping[str, int],
    *,
    kept: int = 0,
    rounding: int = 0,
    stream: UnitStream = "spot",
    fact: str = "f1",
    operated_by: str = OWNER,
) -> UnitAllocation:
    """One item shared out, in fen; the rounding is the statement's against its item."""
    interval = Interval(START, START + timedelta(hours=1))
    total = sum(shares.values()) + kept
    sites = {
        site: SiteShare(
            interval=interval,
            terms=(
                ShareTerm(item="payment", weight="1", weights="1", unit="", exact="0", amount=cny(minor)),
            ),
            taken=(),
            note="",
        )
        for site, minor in shares.items()
    }
    fields: dict[str, Any] = dict.fromkeys(UnitAllocation.__struct_fields__, "x") | {
        "fact": fact,
        "unit": "vpp",
        "operated_by": operated_by,
        "stream": stream,
        "interval": interval,
        "statement": cny(total + rounding),
        "items": (Item(name="payment", total=cny(total), kept=cny(kept), rounding=cny(0), note=""),),
        "rounding": cny(rounding),
        "sites": sites,
    }
    return UnitAllocation(**fields)


def cny(minor: int) -> Money:
    return Money(minor, "CNY")


class UnitBook(PaperBook):
    """A book whose owner trades a unit of the three sites."""

    def __init__(self) -> None:
        super().__init__(with_streams(plain_split(), {"spot": OWNER, "ancillary": OWNER}))

    def allocate(
        self, one: UnitAllocation, month: Month = APRIL, on: date = ISSUED
    ) -> tuple[JournalEntry, ...]:
        event = AllocationRecorded(one)
        return self.journal.post(Recorded(f"allocation.{one.fact}", on, event, month=month))

    def settle_shares(self, shares: Mapping[Stream, Mapping[str, int]]) -> None:
        """What the three sites were allocated, and nothing else."""
        pooled = {stream: decimal_text(own["pooled"], 2) for stream, own in shares.items()}
        result = result_of(self.terms, pooled)
        lines = list(result.lines)
        for stream, own in shares.items():
            for site in ("hosted", "own"):
                number, amount = len(lines) + 1, cny(own[site])
                lines.append(
                    Line(
                        number, "stream", stream, stream, site, PARTIES[site], "", "", "",
                        str(amount), amount, "0", (), (), pooled=False,
                    )
                )  # fmt: skip
        self.do(RecordSettlement(msgspec.structs.replace(result, lines=tuple(lines))))

    def receive(self, document: str, stream: Stream, amount: Money) -> None:
        one = MarketReceipt(document=document, stream=stream, amount=amount, on=ISSUED)
        self.journal.post(Recorded("market_receipt.x", ISSUED, MarketReceiptRecorded(one)))


fen = st.integers(-1_000_000, 1_000_000)
statements = st.fixed_dictionaries(
    {
        stream: st.tuples(st.fixed_dictionaries(dict.fromkeys(SITES, fen)), fen, st.integers(-50, 50))
        for stream in ("spot", "regulation")
    }
)


@settings(derandomize=True, max_examples=80, deadline=None)
@given(st.lists(statements, min_size=1, max_size=3))
def test_when_markets_paid_their_statements_nothing_is_receivable_of_any_stream(told: list[Any]) -> None:
    """Allocated, settled and perhaps corrected: sites + kept + rounding are the statement, to the fen."""
    book = UnitBook()
    for month in told:
        for stream, (shares, kept, rounding) in month.items():
            one = allocation(shares, kept=kept, rounding=rounding, stream=stream, fact=f"f-{stream}")
            book.allocate(one)
        book.settle_shares({STREAMS[stream]: shares for stream, (shares, _, _) in month.items()})
        balance = trial_balance(book.journal.journal, "CNY", *YEAR)
        assert balance.debit == balance.credit
    for stream, (shares, kept, rounding) in told[-1].items():
        whole = cny(sum(shares.values()) + kept + rounding)
        of = STREAMS[stream]
        assert book.journal.journal.balance(Account("market_receivable", (of,)), "CNY") == whole
        if whole.minor:
            book.receive(stream, of, whole)
    after = balances(book)
    assert not [name for name in after if name.startswith("market_receivable")]
    collected = sum(shares["hosted"] for shares, _, _ in told[-1].values())
    assert after.get("collected_for:host", "0.00") == str(cny(-collected))
    if collected:
        given_on = Handover(document="h", party="host", amount=cny(collected), on=ISSUED)
        book.journal.post(Recorded("handover.x", ISSUED, HandoverRecorded(given_on)))
    assert "collected_for:host" not in balances(book)


def test_the_operators_line_by_hand() -> None:
    """600.00 to sites, 12.34 kept, one fen of rounding: 612.35 is receivable with the sites' runs."""
    book = UnitBook()
    one = allocation({"pooled": 40000, "hosted": 15000, "own": 5000}, kept=1234, rounding=1)
    (entry,) = book.allocate(one)
    assert {str(line.account): str(line.amount) for line in entry.postings} == {
        "market_receivable:spot": "12.35",
        "stream_income:spot": "-12.34",
        "allocation_rounding:spot": "-0.01",
    }
    assert (entry.kind, entry.posted_on, entry.reference.month) == ("unit_operator", date(2026, 4, 30), APRIL)
    assert entry.reference.document == "f1"
    book.settle_shares({"spot": {"pooled": 40000, "hosted": 15000, "own": 5000}})
    after = balances(book)
    assert after["market_receivable:spot"] == "612.35"
    assert after["collected_for:host"] == "-150.00"
    assert after["stream_income:spot"] == "-462.34", "the pool's 400.00, the owner's own 50.00, and 12.34"


def test_a_statement_corrected_after_the_close_is_posted_in_the_open_month() -> None:
    book = UnitBook()
    shares = {"pooled": 10000}
    book.allocate(allocation(shares, kept=100, rounding=1))
    assert book.allocate(allocation(shares, kept=100, rounding=1)) == (), "the same changes nothing"
    closed = MonthClosed(Closed(APRIL, {}, (), "ada"))
    book.journal.post(Recorded("closing.book", ISSUED, closed))
    (entry,) = book.allocate(allocation(shares, kept=70, rounding=-1))
    assert {str(line.account): str(line.amount) for line in entry.postings} == {
        "market_receivable:spot": "-0.32",
        "stream_income:spot": "0.30",
        "allocation_rounding:spot": "0.02",
    }
    assert (entry.posted_on, entry.reference.month) == (ISSUED, APRIL)
    assert entry.description.startswith("Correction of the operator's line of unit vpp, 2026-04")


def test_outside_a_pool_what_no_unit_traded_is_its_hosts_alone() -> None:
    """Without an allocation the host has the money itself: a memo of it, and no account of ours."""
    book = UnitBook()
    book.settle_shares({"spot": {"pooled": 0, "hosted": 15000, "own": 5000}})
    assert balances(book) == {"market_receivable:spot": "50.00", "stream_income:spot": "-50.00"}
    memo = book.journal.journal.balance(Account("memo_saving", ("host", "spot")), "CNY")
    assert memo == yuan("150.00")


def test_what_another_operator_keeps_is_none_of_the_owners_money() -> None:
    """The owner's line is taken back when a newer version of the unit names another operator."""
    book = UnitBook()
    shares = {"pooled": 10000}
    assert book.allocate(allocation(shares, kept=100, rounding=1, operated_by="aggregator")) == ()
    (entry,) = book.allocate(allocation(shares, kept=100, rounding=1))
    (back,) = book.allocate(allocation(shares, kept=100, rounding=1, operated_by="aggregator"))
    own = {line.account: line.amount for line in entry.postings}
    assert {line.account: -line.amount for line in back.postings} == own
