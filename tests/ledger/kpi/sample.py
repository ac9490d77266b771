"""Settled runs made by hand: one site, a fee, a split into thirds, and a stream that is only shown."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from ledger.clauses.flow import Notice, exact_text
from ledger.interval import Month
from ledger.quantity import Money
from ledger.settlement.line import Basis, Line
from ledger.settlement.result import Result, SiteBill
from ledger.settlement.run import Run
from ledger.split import largest_remainder
from ledger.waterfall import PriorMonth

AUGUST = Month(2026, 8)
JULY = Month(2026, 7)
DISCHARGE_WH = 42_000_123
CHARGE_WH = 46_500_001


def cny(text: str) -> Money:
    return Money.parse(text, "CNY")


def run(
    contract: str = "c-one",
    *,
    site: str = "S1",
    host: str = "host-one",
    owner: str = "owner-one",
    month: Month = AUGUST,
    kind: str = "initial",
    demand: str = "512.34",
    title: str = "Storage at S1",
) -> Run:
    """The host holds the streams; the owner gets a fee and a third of the rest."""
    terms = (
        term("discharged, peak", DISCHARGE_WH, "1.144372", 1),
        term("charged, valley", CHARGE_WH, "0.316694", -1),
    )
    arbitrage = sum((Fraction(one.exact) for one in terms), Fraction(0))
    demand_charge = cny(demand)
    pool = Money.round(arbitrage, "CNY") + demand_charge
    fee = Fraction(DISCHARGE_WH, 1000) / 10
    paid = Money.round(fee, "CNY")
    rest = pool.minor - paid.minor
    weights = {host: Fraction(2, 3), owner: Fraction(1, 3)}
    parts = largest_remainder(rest, weights)
    basis = f"0.1 CNY/kWh x {DISCHARGE_WH} kWh discharged"
    lines = [
        stream(1, "arbitrage", site, host, arbitrage, basis=terms, quantity=str(DISCHARGE_WH)),
        stream(
            2,
            "demand_charge",
            site,
            host,
            demand_charge.exact,
            note="maximum demand 844.8 kW without storage, 800.0 kW with it",
        ),
        stream(3, "power_factor", site, host, Fraction("-71.4"), pooled=False),
        clause(4, 1, "service_fee", owner, fee, paid, basis),
        *(
            clause(
                5 + n,
                2,
                "remainder_split",
                party,
                weights[party] * rest / 100,
                Money(parts[party], "CNY"),
                "2/3 of the remainder",
            )
            for n, party in enumerate((host, owner))
        ),
    ]
    entitlement = {host: Money(parts[host], "CNY"), owner: Money(parts[owner], "CNY") + paid}
    held = {host: pool, owner: cny("0")}
    payable = {party: entitlement[party] - held[party] for party in entitlement}
    result = Result(
        contract=contract, title=title, model="eaas", month=month, currency="CNY", rules_version="2026-11",
        position=41, inputs_digest="a1" * 32, pool=pool, lines=tuple(lines), sources=(),
        bills=(SiteBill(site, cny("200000.00"), cny("165992.64"), "", (), ()),),
        entitlement=entitlement, held=held, payable=payable,
        warnings=(Notice("missing_stream", "no spot item this month: counted as nothing"),),
        carry=PriorMonth(month, date(2026, 9, 1), {}), sees_pool=(host,), sees_bill={host: (site,)},
    )  # fmt: skip
    return Run(1, kind, result, result.digest(), {} if kind == "provisional" else payable)


def term(label: str, wh: int, price: str, sign: int) -> Basis:
    return Basis(label, str(wh), "Wh", price, exact_text(sign * Fraction(wh, 1000) * Fraction(price)))


def stream(
    number: int, code: str, site: str, party: str, exact: Fraction, *, basis: tuple[Basis, ...] = (),
    quantity: str = "", note: str = "", pooled: bool = True,
) -> Line:  # fmt: skip
    amount = Money.round(exact, "CNY")
    rule = "DOMAIN.md 3.1, direct form"
    unit = "Wh discharged" if quantity else ""
    return Line(
        number, "stream", code, rule, site, party, quantity, unit, "", exact_text(exact), amount,
        exact_text(amount.exact - exact), basis, (), note, pooled=pooled,
    )  # fmt: skip


def clause(number: int, of: int, code: str, party: str, exact: Fraction, amount: Money, note: str) -> Line:
    return Line(
        number, "clause", code, f"clause {of}, {code}", None, party, "", "", "", exact_text(exact), amount,
        exact_text(amount.exact - exact), (), (0,), note,
    )  # fmt: skip
