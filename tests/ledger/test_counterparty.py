"""Netting over contracts: one amount a counterparty and currency, itemised."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.counterparty import CounterpartyNet, PayableItem, net_payables
from ledger.interval import Month
from ledger.quantity import Money
from ledger.refusal import Refused

MAY = Month(2026, 5)


def item(contract: str, party: str, minor: int, currency: str = "CNY", run: int = 1) -> PayableItem:
    return PayableItem(contract, MAY, run, party, Money(minor, currency))


def test_a_party_s_contracts_are_set_against_each_other() -> None:
    """The host is owed 8,000.00 by one contract and owes 11,294.09 by another: it pays 3,294.09."""
    items = [
        item("eaas", "host", -1129409),
        item("eaas", "operator", 1129409),
        item("agency", "host", 800000),
        item("agency", "operator", -800000),
        item("agency", "host", -100, run=2),
        item("agency", "operator", 100, run=2),
        item("yen", "host", 5, "JPY"),
        item("yen", "operator", -5, "JPY"),
    ]
    assert net_payables("operator", items) == (
        CounterpartyNet(
            "operator",
            "host",
            "CNY",
            Money(-329509, "CNY"),
            (
                item("agency", "host", 800000),
                item("agency", "host", -100, run=2),
                item("eaas", "host", -1129409),
            ),
        ),
        CounterpartyNet("operator", "host", "JPY", Money(5, "JPY"), (item("yen", "host", 5, "JPY"),)),
    )


def test_a_pair_that_comes_out_at_zero_is_shown() -> None:
    (net,) = net_payables("operator", [item("a", "host", 7), item("b", "host", -7)])
    assert (net.to_pay.minor, len(net.items)) == (0, 2)


def test_a_run_given_twice_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        net_payables("operator", [item("a", "host", 7), item("a", "host", 8)])
    assert refused.value.code == "duplicate"
    with pytest.raises(Refused) as run:
        item("a", "host", 7, run=0)
    assert (run.value.code, run.value.place) == ("run", "run")


@settings(max_examples=80)
@given(
    runs=st.lists(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=7), min_size=1, max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_what_the_owner_pays_is_the_opposite_of_its_own(runs: list[list[int]], order: object) -> None:
    """Payables of a run sum to zero (DOMAIN.md 2.3), so the owner's pairs mirror its own payable."""
    items = []
    for number, amounts in enumerate(runs):
        parties = [f"p{index}" for index in range(len(amounts))]
        items += [item(f"c{number}", party, minor) for party, minor in zip(parties, amounts, strict=True)]
        items.append(item(f"c{number}", "owner", -sum(amounts)))
    own = sum(one.amount.minor for one in items if one.party == "owner")
    expected = net_payables("owner", items)
    order.shuffle(items)  # type: ignore[attr-defined]
    nets = net_payables("owner", items)
    assert nets == expected
    assert sum(net.to_pay.minor for net in nets) == -own
    assert sum(len(net.items) for net in nets) == sum(len(amounts) for amounts in runs)
