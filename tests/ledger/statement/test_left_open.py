"""What a payment leaves open that it could have paid, and the commands that settle it."""

from __future__ import annotations

from datetime import date

import msgspec

from ledger.netting import OpenStatement
from ledger.quantity import Money
from ledger.statement.left_open import left_open
from tests.ledger.contract_samples import yuan
from tests.ledger.statement.test_spread import asks, paid
from tests.ledger.test_netting import key

ADVANCE = asks("c-1", "5.00", 1)
ADVANCE = OpenStatement(ADVANCE.key, ADVANCE.due_on, ADVANCE.open, advance=True)


def notes(statements: list[OpenStatement], beyond: str = "0.00", agreed: bool = False) -> tuple[str, ...]:
    one = msgspec.structs.replace(paid("-20.00"), on=date(2026, 9, 11))
    return left_open(one, {key("c-1"): yuan(beyond)}, statements, netting_agreed=agreed)


def test_nothing_is_said_where_the_rest_is_just_open() -> None:
    assert notes([]) == ()
    assert notes([asks("c-2", "-7.00", 3), asks("c-3", "4.00", 3)]) == ()
    assert notes([ADVANCE], "-5.00") == (), "nothing else asks for it"


def test_an_advance_beside_statements_that_ask_for_it_says_how_it_is_used() -> None:
    month = key("c-1").month
    others = [
        ADVANCE,
        asks("c-3", "-9.00", 9),
        asks("c-2", "-3.00", 3),
        asks("c-4", "-1.00", 28),
        asks("c-5", "70.00", 1),
        asks("c-6", "-2.00", 1, "guest"),
        asks("c-7", Money(-500, "JPY"), 1),
        msgspec.structs.replace(asks("c-8", "-4.00", 2), advance=True),
    ]
    others_ask = "3 other statements ask"
    how = " to pay with it those due first:"
    start = f"wattledger record credit c-1 {month} host"
    assert notes(others, "-5.00") == (
        f"5.00 CNY is paid in advance on c-1 {month} host run 1, while {others_ask} for 13.00 CNY;{how}",
        f"    {start} 3.00 --run 1 --to c-2 {month} --to-run 1",
        f"    {start} 2.00 --run 1 --to c-3 {month} --to-run 1",
    )
    assert notes([asks("c-2", "-3.00", 3)], "0.00") == ()


def test_a_balance_of_nothing_with_both_sides_open_is_netted() -> None:
    both = [asks("c-2", "-0.01", 3), asks("c-3", "0.01", 3)]
    command = "wattledger netting set-off host NAME --currency CNY"
    assert notes(both, agreed=True) == (
        f"the balance with host is 0.00 CNY, while 0.01 is open each way; to set it off: {command}",
    )
    (told,) = notes(both)
    assert told.endswith(f"{command}, once it is agreed: wattledger netting agree host")
    assert notes([*both, asks("c-4", "-0.01", 3)]) == ()
