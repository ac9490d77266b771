"""Money beside statements, purely: what is recorded once, in which bounds, and what it posts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from ledger.accounting.document import checked_day, document_aggregate
from ledger.accounting.handover import Handover, RecordHandover
from ledger.accounting.market_receipt import PAID_STREAMS, MarketReceipt, RecordMarketReceipt
from ledger.accounting.supplier_payment import RecordSupplierPayment, SupplierPayment
from ledger.effective import History, Period
from ledger.party import Party
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.accounting.books import ISSUED, PaperBook
from tests.ledger.accounting.runs import OWNER, with_streams
from tests.ledger.accounting.test_book_journal import balances
from tests.ledger.contract_samples import plain_split, yuan

HOLDERS = {"demand_response": OWNER, "insurance": OWNER}


def receipt(**changes: Any) -> MarketReceipt:
    fields: dict[str, Any] = {"document": "对账单 2026/04-17", "stream": "demand_response", "on": ISSUED}
    return MarketReceipt(**fields | {"amount": yuan("100.01")} | changes)


def paid(**changes: Any) -> SupplierPayment:
    fields: dict[str, Any] = {"document": "P-1", "cost": "insurance", "on": ISSUED, "amount": yuan("5.00")}
    return SupplierPayment(**fields | changes)


def handover(**changes: Any) -> Handover:
    fields: dict[str, Any] = {"document": "H-1", "party": "host", "on": ISSUED, "amount": yuan("5.00")}
    return Handover(**fields | changes)


@pytest.fixture
def book() -> PaperBook:
    """A month in which a market owes 1000.00 and an insurer is owed 40.00."""
    made = PaperBook(with_streams(plain_split(), HOLDERS))
    starts = made.terms.effective.start
    made.states["party.host"] = History[Party]().with_version(Period(starts), Party("host", "Host"))  # type: ignore[call-arg]
    made.settle({"demand_response": "1000.00", "insurance": "40.00"})
    return made


def test_what_a_market_and_a_supplier_were_paid_stands_open_no_more(book: PaperBook) -> None:
    before = balances(book)
    assert before["market_receivable:demand_response"] == "1000.00"
    assert before["supplier_payable:insurance"] == "-40.00"
    book.do(RecordMarketReceipt(receipt(amount=yuan("1000.01"), rounding=yuan("0.01"))))
    book.do(RecordSupplierPayment(paid(amount=yuan("15.00"))))
    book.do(RecordSupplierPayment(paid(document="P-2", amount=yuan("25.00"))))
    after = balances(book)
    assert not [name for name in after if name.startswith(("market_receivable", "supplier_payable"))]
    assert (after["bank"], after["allocation_rounding:demand_response"]) == ("960.01", "-0.01")
    entry = book.journal.journal.entries[-1]
    assert (entry.kind, entry.reference.document, entry.posted_on) == ("supplier_payment", "P-2", ISSUED)


def test_a_mistake_is_corrected_by_the_opposite_and_never_by_the_same_document(book: PaperBook) -> None:
    book.do(RecordMarketReceipt(receipt(amount=yuan("10.00"))))
    for other in (receipt(amount=yuan("10.00")), receipt(stream="spot", amount=yuan("-10.00"))):
        with pytest.raises(Refused, match=r"recorded already: 10\.00 CNY for demand_response") as refused:
            book.do(RecordMarketReceipt(other))
        assert (refused.value.code, refused.value.place) == ("exists", "document")
    book.do(RecordMarketReceipt(receipt(document="undo", amount=yuan("-10.00"))))
    assert balances(book)["market_receivable:demand_response"] == "1000.00"
    assert "bank" not in balances(book)
    book.do(RecordSupplierPayment(paid()))
    book.do(RecordHandover(handover()))
    for command in (RecordSupplierPayment(paid(cost="penalty")), RecordHandover(handover(on=ISSUED))):
        with pytest.raises(Refused) as refused:
            book.do(command)
        assert (refused.value.code, refused.value.place) == ("exists", "document")


def test_a_document_is_unique_per_kind_alone(book: PaperBook) -> None:
    book.do(RecordMarketReceipt(receipt(document="7")))
    book.do(RecordSupplierPayment(paid(document="7")))
    book.do(RecordHandover(handover(document="7")))
    assert len({document_aggregate(kind, "7") for kind in ("market_receipt", "supplier_payment")}) == 2


@pytest.mark.parametrize(
    ("make", "code", "place"),
    [
        (lambda: receipt(amount=yuan("0.00")), "payment_amount", "amount"),
        (lambda: paid(amount=yuan("0.00")), "payment_amount", "amount"),
        (lambda: handover(amount=yuan("0.00")), "payment_amount", "amount"),
        (lambda: receipt(stream="arbitrage"), "market_stream", "stream"),
        (lambda: receipt(stream="rain"), "market_stream", "stream"),
        (lambda: paid(cost="spot"), "supplier_cost", "cost"),
        (lambda: receipt(rounding=Money(1, "EUR")), "currency", "rounding"),
        (lambda: receipt(rounding=yuan("-100.02")), "market_rounding", "rounding"),
        (lambda: receipt(document=" "), "empty", "document"),
        (lambda: paid(document="x" * 65), "text_length", "document"),
        (lambda: handover(document="a\nb"), "control_character", "document"),
        (lambda: handover(party="no party"), "id", "party"),
    ],
)
def test_what_is_refused_names_its_field(make: Any, code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        make()
    assert (refused.value.code, refused.value.place) == (code, place)


def test_only_what_a_market_or_customer_pays_is_received_from_one() -> None:
    assert PAID_STREAMS == ("demand_response", "spot", "ancillary", "capacity", "service")


def test_what_was_collected_goes_to_a_party_that_is_known_and_not_to_oneself(book: PaperBook) -> None:
    for party, code in (("nobody", "unknown_party"), (OWNER, "owner_itself")):
        book.states[f"party.{OWNER}"] = book.states["party.host"]
        with pytest.raises(Refused) as refused:
            book.do(RecordHandover(handover(party=party)))
        assert refused.value.code == code
    empty = PaperBook(book.terms)
    del empty.states["book.book"]
    with pytest.raises(Refused) as refused:
        empty.do(RecordMarketReceipt(receipt()))
    assert refused.value.code == "unknown_book"


def test_a_day_that_has_not_come_is_refused_with_the_last_one_allowed() -> None:
    assert checked_day(ISSUED, ISSUED, "on") == ISSUED
    with pytest.raises(Refused, match="the last day allowed is 2026-05-06") as refused:
        checked_day(ISSUED + timedelta(days=1), ISSUED, "on")
    assert (refused.value.code, refused.value.place) == ("future_date", "on")
    with pytest.raises(Refused) as refused:
        checked_day(date(1, 1, 1), ISSUED, "on")
    assert refused.value.code == "year"
