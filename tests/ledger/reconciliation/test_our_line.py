"""A settlement run's stream lines, with quantities whose sign makes quantity x price the amount."""

from __future__ import annotations

from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ledger.quantity import Money
from ledger.reconciliation.our_line import our_lines
from ledger.reconciliation.stated_quantity import StatedQuantity, price_per, stated
from ledger.refusal import Refused
from ledger.settlement.line import Basis, Line
from ledger.settlement.run import Run
from tests.ledger.reconciliation.lines import AUGUST, cny
from tests.ledger.statement.test_life import result

ZONE = ZoneInfo("Asia/Shanghai")
TERMS = (
    Basis("discharged, peak", "1000000", "Wh", "1.205", "1205"),
    Basis("charged, valley", "1100000", "Wh", "0.3", "-330"),
)


def run(*basis: Basis, amount: str, exact: str = "", note: str = "") -> Run:
    money = cny(amount)
    line = Line(
        number=5,
        kind="stream",
        code="arbitrage",
        clause="",
        site="S1",
        party="host",
        quantity="",
        unit="",
        price="",
        exact=exact or str(money),
        amount=money,
        rounding="0",
        basis=basis,
        sources=(),
        note=note,
    )
    settled = result(100)
    settled = msgspec.structs.replace(settled, lines=(line, *settled.lines))
    return Run(2, "initial", settled, "", {})


def test_charging_has_a_quantity_below_zero() -> None:
    (line,) = our_lines(run(*TERMS, amount="875.00"), ZONE)
    assert (line.reference, line.site, line.item) == ("run 2, line 5", "S1", "arbitrage")
    assert line.interval == AUGUST
    assert [(str(term.quantity), term.price) for term in line.terms] == [
        ("1000 kWh", "1.205"),
        ("-1100 kWh", "0.3"),
    ]


def test_terms_as_lines_sum_to_the_lines_amount() -> None:
    thirds = (Basis("a", "1", "kWh", "1/3", "1/3"), Basis("b", "1", "kWh", "1/3", "1/3"))
    lines = our_lines(run(*thirds, amount="0.67", exact="2/3"), ZONE, items="term")
    assert [(line.item, str(line.amount)) for line in lines] == [
        ("arbitrage: a", "0.33"),
        ("arbitrage: b", "0.33"),
        ("arbitrage: rounding", "0.01"),
    ]
    assert sum((line.amount for line in lines), Money.zero("CNY")) == cny("0.67")
    assert len({line.reference for line in lines}) == 3


def test_a_note_tells_lines_of_one_stream_apart() -> None:
    (line,) = our_lines(run(amount="1.00", note="day-ahead energy"), ZONE, items="note")
    assert line.item == "arbitrage: day-ahead energy"


@pytest.mark.parametrize(
    "basis",
    [
        Basis("2026-08-01", "1000", "Wh", "by interval", "0.7"),
        Basis("cut", "1", "of the payment", "1", "1"),
        Basis("with a factor", "1000", "Wh", "1", "0.9"),
    ],
)
def test_what_is_no_product_is_left_without_terms(basis: Basis) -> None:
    (line,) = our_lines(run(TERMS[0], basis, amount="1.00"), ZONE)
    assert line.terms == ()


def test_megawatts_and_their_prices_turn_together() -> None:
    (line,) = our_lines(run(Basis("mileage", "2.5", "MW", "12", "30"), amount="30.00"), ZONE)
    (term,) = line.terms
    assert (str(term.quantity), term.price) == ("2500 kW", "0.012")


def test_ten_thousand_kilowatt_hours() -> None:
    assert stated(Fraction("1.2345"), "10^4 kWh") == StatedQuantity("12345", "kWh")
    assert price_per(Fraction(4123), "10^4 kWh") == Fraction("0.4123")


def test_a_unit_that_nobody_knows_is_refused() -> None:
    for make in (lambda: stated(Fraction(1), "GWd"), lambda: StatedQuantity("1", "MWh")):
        with pytest.raises(Refused) as caught:
            make()
        assert caught.value.code == "unit"
