"""What a partner's report says of the storages that it sees and of its own money."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest

from ledger.capital.account import CapitalAccounts
from ledger.capital.entry import CapitalReturn, CashContribution
from ledger.interval import Month
from ledger.kpi.kpi import Kpi
from ledger.kpi.month_figures import Earned, SiteMonth, Stated
from ledger.kpi.partner_figures import own_capital, partner_figures
from ledger.quantity import Money
from ledger.refusal import Refused
from tests.ledger.kpi.sample import AUGUST, cny

SITE = SiteMonth("S1", 500_000, 250_000, 10_800_000, 9_936_000, 31 * 86_400, 0)
RECEIVED = [Earned(Month(2026, month), cny("1000.00")) for month in (6, 7, 8)]


def paid(party: str, amount: str, on: date) -> CashContribution:
    return CashContribution(on=on, evidence="receipt 1", party=party, amount=cny(amount))


ACCOUNTS = CapitalAccounts(
    "CNY",
    (paid("investor", "100000.00", date(2025, 9, 1)), paid("other", "900000.00", date(2025, 9, 1))),
)


def named(kpis: tuple[Kpi, ...]) -> dict[str, Kpi]:
    return {one.name: one for one in kpis}


def test_own_money_over_own_energy_and_own_capital() -> None:
    """1 000 yuan over 9 936 kWh; 12 x 3 000 / 3 = 12 000 a year on 100 000: 12 %, 8 1/3 years."""
    capital = own_capital([ACCOUNTS], "investor", AUGUST)
    found = named(partner_figures(AUGUST, [SITE], RECEIVED, capital, Stated()))
    assert found["revenue_per_kwh_discharged"].exact == Fraction(1000, 9936)
    assert found["equivalent_cycles"].exact == Fraction(9936, 500)
    assert found["round_trip_efficiency"].exact == 92
    assert found["availability"].exact == 100
    assert found["simple_return"].exact == 12
    assert found["payback"].exact == Fraction(25, 3)
    assert "12 x 3000.00 / 3 settled months" in found["simple_return"].note
    assert "900000" not in str(found), "another's capital"


def test_the_rate_counts_own_flows_and_the_balance_as_if_returned() -> None:
    """100 000 paid on 2025-08-31; 1 000 on each of the last three months' ends, the balance 365 days later:
    a little above 3 %, because two of them came early."""
    accounts = CapitalAccounts("CNY", (paid("investor", "100000.00", date(2025, 8, 31)),))
    found = named(
        partner_figures(AUGUST, [], RECEIVED, own_capital([accounts], "investor", AUGUST), Stated())
    )
    assert found["irr"].rounded(4) == "3.0076"
    assert [(one.name, one.value) for one in found["irr"].inputs] == [
        ("paid_in", "100000"),
        ("entitled", "3000"),
        ("balance", "100000.00"),
        ("months", "3"),
    ]


def test_capital_of_several_contracts_is_one_and_later_entries_do_not_count() -> None:
    second = CapitalAccounts(
        "CNY",
        (
            paid("investor", "50.00", date(2026, 8, 31)),
            CapitalReturn(on=date(2026, 9, 1), evidence="receipt 2", party="investor", amount=cny("50.00")),
        ),
    )
    capital = own_capital([ACCOUNTS, second], "investor", AUGUST)
    assert capital is not None
    assert str(capital.balance) == "100050.00"
    assert [str(flow.amount) for flow in capital.flows] == ["-100000.00", "-50.00"]
    assert own_capital([ACCOUNTS], "stranger", AUGUST) is None


def test_nothing_that_the_party_may_not_see_or_nobody_stated_has_a_value() -> None:
    found = named(partner_figures(AUGUST, [], RECEIVED, None, Stated()))
    assert {one.value for one in found.values()} == {None}
    assert found["availability"].note == "the contracts show this party no site's operation"
    assert found["irr"].note == "not stated: capital paid in by this party"
    assert set(found) == {
        "availability", "equivalent_cycles", "round_trip_efficiency", "co2_avoided",
        "simple_return", "payback", "irr",
    }  # fmt: skip


def test_a_site_with_missing_readings_gives_no_money_per_kwh() -> None:
    found = named(partner_figures(AUGUST, [SITE._replace(charge_wh=None)], RECEIVED, None, Stated()))
    assert "revenue_per_kwh_discharged" in found, "the discharge is known"
    found = named(partner_figures(AUGUST, [SITE._replace(discharge_wh=None)], RECEIVED, None, Stated()))
    assert "revenue_per_kwh_discharged" not in found
    assert found["equivalent_cycles"].note == "readings are missing: S1"


def test_without_a_paid_month_there_is_no_return() -> None:
    capital = own_capital([ACCOUNTS], "investor", AUGUST)
    found = named(partner_figures(AUGUST, [SITE], [], capital, Stated()))
    assert found["payback"].note == "no month is settled that pays"


def test_two_currencies_are_refused() -> None:
    euros = [Earned(AUGUST, Money(100, "EUR"))]
    with pytest.raises(Refused) as refused:
        partner_figures(AUGUST, [], euros, own_capital([ACCOUNTS], "investor", AUGUST), Stated())
    assert refused.value.code == "currency"
