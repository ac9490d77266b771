"""A reconciliation becomes a fact once, whole, and reads back as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ledger.reconciliation.payment_report import reconcile_payments
from ledger.reconciliation.reconcile import reconcile
from ledger.reconciliation.record import Reconciliation, ReconciliationRecorded, RecordReconciliation
from ledger.refusal import Refused
from tests.ledger.reconciliation.lines import day, our, statement, theirs
from tests.ledger.reconciliation.test_bank_payment import bank, booking

DIGEST = "ab" * 32
REPORT = reconcile(statement(theirs("a", "2", "1")), [our("u", "1", "1")], run="run 1")
RECORD = RecordReconciliation("r1", "operator_month.csv", DIGEST, REPORT)


def decided(command: RecordReconciliation, state: Reconciliation | None = None) -> Reconciliation:
    (event,) = command.decide(state, {})
    return event.apply(state)


def test_the_state_is_what_was_recorded() -> None:
    assert RECORD.aggregate == "reconciliation.r1"
    assert decided(RECORD) == Reconciliation("r1", "operator_month.csv", DIGEST, REPORT)


def test_both_kinds_of_report_survive_storing() -> None:
    payments = bank(booking("1", "10.00"))
    paid = reconcile_payments(payments, payments.payments, (), {})
    for report in (REPORT, paid):
        (event,) = RecordReconciliation("r1", "file", DIGEST, report).decide(None, {})
        stored = msgspec.json.encode(event)
        assert b'"kind":"reconciliation.recorded.v1"' in stored
        assert msgspec.json.decode(stored, type=ReconciliationRecorded) == event


@pytest.mark.parametrize(
    ("code", "change"),
    [("id", {"id": "a.b"}), ("empty", {"source": " "}), ("digest", {"digest": "AB" * 32})],
)
def test_what_cannot_be_recorded(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(Refused) as caught:
        decided(msgspec.structs.replace(RECORD, **change))
    assert caught.value.code == code


def test_an_id_is_used_once() -> None:
    with pytest.raises(Refused) as caught:
        decided(RECORD, decided(RECORD))
    assert caught.value.code == "exists"


def test_a_report_that_no_message_has_room_for_is_refused() -> None:
    lines = [theirs(f"line {n}", "2", "1", site=f"S{n}", interval=day(1 + n % 28)) for n in range(2500)]
    ours = [our(f"run 1, line {n}", "1", "1", site=f"S{n}", interval=day(1 + n % 28)) for n in range(2500)]
    report = reconcile(statement(*lines), ours, run="run 1")
    with pytest.raises(Refused) as caught:
        decided(msgspec.structs.replace(RECORD, report=report))
    assert caught.value.code == "report_size"
