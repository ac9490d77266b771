"""At a terminal: an invoice or document given again is answered as it was; what differs is said at once."""

from __future__ import annotations

import pytest

from ledger.quantity import Money
from ledger.refusal import Refused
from tests.adapters.cli.terminal import Terminal
from tests.adapters.cli.test_payments_once import MONTH, owed_by, pay, refused
from tests.adapters.cli.test_payments_once import run as issued_twice
from tests.adapters.http.conftest import HOST
from tests.adapters.test_settling import CONTRACT

run = issued_twice


def invoice(run: Terminal, net: str, *more: str, number: str = "F1", tax: str = "0.00") -> str:
    start = ("record", "invoice", CONTRACT.id, MONTH, HOST, "--direction", "issued", "--number", number)
    return run(*start, "--net", net, "--tax", tax, "--as", "ada", *more)


def test_an_invoice_given_again_is_answered_as_it_was(run: Terminal) -> None:
    net = str(owed_by(run, 1))
    told = invoice(run, net)
    assert told.startswith("invoice F1: recorded, event ")
    assert invoice(run, net) == told
    assert invoice(run, net, "--run", "1") == told
    for change in ((net, "--run", "2"), ("1.00",)):
        with pytest.raises(Refused) as caught:
            invoice(run, *change)
        assert caught.value.code in {"exists", "invoice_number"}, change


def test_a_document_given_again_is_answered_as_it_was(run: Terminal) -> None:
    for kind, item in (("market-receipt", "spot"), ("supplier-payment", "insurance"), ("handover", HOST)):
        given = ("record", kind, item, "7.00", "2026-08-30", "m1", "--as", "ada")
        told = run(*given)
        assert run(*given) == told, kind
        with pytest.raises(Refused) as caught:
            run("record", kind, item, "8.00", *given[4:])
        assert caught.value.code == "exists"


def test_an_invoice_that_is_not_what_was_asked_for_is_told_at_once(run: Terminal) -> None:
    owed = owed_by(run, 1)
    less = owed - Money(1, "CNY")
    told = invoice(run, str(less))
    note = (
        f"note: the invoice has gross {less:,}, and the statement had gross {owed:,} still to be invoiced\n"
    )
    assert told.endswith(note)
    assert invoice(run, str(less)) == told, "given again it says the same"
    assert "note" not in invoice(run, "0.01", number="F2")


def test_the_other_sign_is_offered_first(run: Terminal) -> None:
    """What the host paid us is below zero: nothing is proposed that would book our money to it."""
    owed = owed_by(run, 1)
    expected = f"above zero means that we paid it; what {HOST} paid us is below zero: did you mean -10.00? "
    for more in ((), ("--run", "1")):
        found = refused("run_needed" if not more else "payment_side", run, "b1", "10.00", *more)
        assert found.reason.startswith(expected), more
    with pytest.raises(Refused) as caught:
        run("record", "payment", "--spread", HOST, "--id", "b1", "--as", "ada", "--", "10.00")
    assert caught.value.reason.startswith(expected)
    pay(run, "b1", str(-(owed + owed_by(run, 2))))
    assert "did you mean" not in refused("run_needed", run, "b2", "10.00").reason, "nothing is open any more"
