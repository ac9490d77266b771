"""What a contract must state, and what it may not contradict."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clauses import BaseFee, CappedTier, Clause, LossSplit, RemainderSplit, ServiceFee, StreamTier
from ledger.clauses.base_fee import FeeUnit
from ledger.contract import Contract, ContractParty
from ledger.interval import Month
from ledger.refusal import Refused
from tests.ledger.contract_samples import SEES, agency, co_investment, contract, eaas, plain_split

SHARES = {"host": "70%", "operator": "30%"}
LOSS = LossSplit(shares=SHARES, carry_forward=False)
REST = RemainderSplit(shares=SHARES)
TIER = CappedTier(cap="5", proration="days", shares=SHARES)
BEFORE = ServiceFee(rate="0.1", basis="charge", payer="pool", payee="operator", timing="before_split")
AFTER = ServiceFee(rate="0.1", basis="charge", payer="host", payee="operator", timing="after_split")
GUARANTEE = agency().clauses[0]


@pytest.mark.parametrize(
    ("clauses", "code", "place"),
    [
        ((), "pool_not_exhausted", "clauses"),
        ((LOSS, TIER), "pool_not_exhausted", "clauses"),
        ((LOSS, REST, REST), "pool_not_exhausted", "clauses[2]"),
        ((LOSS, REST, GUARANTEE), "pool_not_exhausted", "clauses[2]"),
        ((REST,), "loss_not_borne", "clauses"),
        ((LOSS, LOSS, REST), "loss_not_borne", "clauses[1]"),
        ((LOSS, GUARANTEE), "loss_not_borne", "clauses[0]"),
        ((LOSS, BEFORE, REST), "clause_order", "clauses[1]"),
        ((LOSS, REST, BEFORE), "clause_order", "clauses[2]"),
        ((LOSS, AFTER, REST), "clause_order", "clauses[1]"),
        ((LOSS, REST, TIER), "clause_order", "clauses[2]"),
        ((REST, LOSS), "clause_order", "clauses[1]"),
        ((LOSS, RemainderSplit(shares={"hots": "100%"})), "party_unknown", "clauses[1].shares.hots"),
        ((LOSS, StreamTier(streams=("spot",), shares=SHARES), REST), "stream", "clauses[1].streams[0]"),
        (
            (LOSS, *[StreamTier(streams=("arbitrage",), shares=SHARES)] * 2, REST),
            "stream",
            "clauses[2].streams[0]",
        ),
    ],
)
def test_clauses_that_cannot_exhaust_gain_and_loss_are_refused(
    clauses: tuple[Clause, ...], code: str, place: str
) -> None:
    with pytest.raises(Refused) as refused:
        contract(clauses)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize("clauses", [(BEFORE, LOSS, TIER, REST, AFTER), (BEFORE, TIER, GUARANTEE, AFTER)])
def test_full_orders_are_accepted(clauses: tuple[Clause, ...]) -> None:
    assert contract(clauses).clauses == clauses


@pytest.mark.parametrize(
    ("changes", "code", "place"),
    [
        ({"id": "a/b"}, "id", "id"),
        ({"id": "x" * 65}, "id", "id"),
        ({"title": " "}, "empty", "title"),
        ({"model": "leasing"}, "not_allowed", "model"),
        ({"sites": ()}, "empty", "sites"),
        ({"sites": ("S1", "S1")}, "duplicate", "sites[1]"),
        ({"sites": ("S 1",)}, "id", "sites[0]"),
        ({"currency": "RMB"}, "not_allowed", "currency"),
        ({"zone": "Asia/Shangai"}, "zone", "zone"),
        ({"effective_to": date(2026, 1, 1)}, "effective", "effective_to"),
        ({"owner_position": "agent"}, "not_allowed", "owner_position"),
        ({"split_basis": "net"}, "not_allowed", "split_basis"),
        ({"pool_streams": ()}, "empty", "pool_streams"),
        ({"pool_streams": ("arbitrage", "arbitrage")}, "duplicate", "pool_streams[1]"),
        ({"pool_streams": ("arbitage",)}, "not_allowed", "pool_streams[0]"),
        ({"pass_through_costs": ("tea",)}, "not_allowed", "pass_through_costs[0]"),
        ({"pool_streams": ("arbitrage", "spot")}, "cash_holder", "cash_holder"),
        ({"pass_through_costs": ("penalty",)}, "cash_holder", "cash_holder"),
        (
            {"cash_holder": {"arbitrage": "host", "spot": "host"}},
            "cash_holder",
            "cash_holder.spot",
        ),
        ({"cash_holder": {"arbitrage": "grid"}}, "party_unknown", "cash_holder.arbitrage"),
        ({"parties": ()}, "empty", "parties"),
        ({"capital_cost": "1.8/Wh"}, "amount", "capital_cost"),
    ],
)
def test_what_a_contract_must_state(changes: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Refused) as refused:
        contract((LOSS, REST), **changes)
    assert (refused.value.code, refused.value.place) == (code, place)


@pytest.mark.parametrize(
    ("party", "role", "code"), [("pool", "host", "party_id"), ("h", "boss", "not_allowed")]
)
def test_parties_have_an_id_and_a_role(party: str, role: Any, code: str) -> None:
    with pytest.raises(Refused) as refused:
        ContractParty(id=party, role=role, sees=SEES)
    assert refused.value.code == code


def test_a_party_is_named_once() -> None:
    with pytest.raises(Refused) as refused:
        contract((LOSS, REST), parties=plain_split().parties + plain_split().parties[:1])
    assert (refused.value.code, refused.value.place) == ("duplicate", "parties[4]")


def test_a_contract_holds_on_local_days() -> None:
    terms = contract((LOSS, REST), effective_from=date(2026, 4, 21), effective_to=date(2026, 5, 2))
    assert terms.effective.start == datetime(2026, 4, 20, 16, tzinfo=UTC)
    assert terms.effective.end == datetime(2026, 5, 1, 16, tzinfo=UTC)
    assert terms.days_in(Month(2026, 4)) == (date(2026, 4, 21), date(2026, 5, 1))
    assert terms.days_in(Month(2026, 5)) == (date(2026, 5, 1), date(2026, 5, 2))


def test_accounts_are_named_by_type_and_place() -> None:
    assert contract((LOSS, TIER, TIER, REST)).account_names == (
        "loss_split#1",
        "capped_tier#1",
        "capped_tier#2",
        "remainder_split#1",
    )


@settings(max_examples=50)
@given(
    thousandths=st.integers(0, 1000),
    sample=st.sampled_from([eaas, co_investment, agency, plain_split]),
    costs=st.lists(st.sampled_from(["penalty", "insurance"]), unique=True),
)
def test_a_contract_round_trips_through_json(thousandths: int, sample: Any, costs: list[str]) -> None:
    shares = {"host": f"{thousandths}/1000", "operator": f"{1000 - thousandths}/1000"}
    usual = sample()
    clauses = tuple(
        msgspec.structs.replace(clause, shares=shares) if isinstance(clause, RemainderSplit) else clause
        for clause in usual.clauses
    )
    terms = contract(
        clauses,
        pass_through_costs=tuple(costs),
        cash_holder={"arbitrage": "host"} | dict.fromkeys(costs, "operator"),
    )
    encoded = msgspec.json.encode(terms)
    assert msgspec.json.decode(encoded, type=Contract) == terms
    assert msgspec.json.encode(msgspec.json.decode(encoded, type=Contract)) == encoded


def test_json_with_an_unknown_or_missing_field_is_refused() -> None:
    fields = msgspec.to_builtins(plain_split())
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(fields | {"colour": "red"}, Contract, strict=False)
    del fields["cash_holder"]
    with pytest.raises(msgspec.ValidationError, match="cash_holder"):
        msgspec.convert(fields, Contract, strict=False)


def base_fee(rate: str, unit: FeeUnit = "kWh.year", quantity: str = "20000") -> BaseFee:
    return BaseFee(
        rate=rate, unit=unit, quantity=quantity, quantity_basis="nameplate", proration="days", payer="pool",
        payee="operator", timing="before_split",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fee", "changes", "said"),
    [
        # 200 x 20,000 kWh x 12 = 48 million a year on 36 million of capital (DOMAIN.md 2.1 Q04).
        (base_fee("200", "kWh.month"), {"capital_cost": "36000000"}, ("48,000,000", "36,000,000 CNY")),
        (base_fee("200", "kWh.month"), {}, ("48,000,000", "36,000,000 CNY", "1.8 CNY/Wh")),
        (base_fee("900.01"), {}, ("18,000,200", "1.8 CNY/Wh")),
        (base_fee("90", "kW.month"), {"capital_cost": "43200000"}, None),
        (base_fee("90", "kW.month"), {"capital_cost": "43199999"}, ("21,600,000", "43,199,999 CNY")),
        (base_fee("200"), {}, None),
        (base_fee("900"), {}, None),
        (base_fee("900", "kW.month"), {}, None),
        (base_fee("200", "kWh.month"), {"currency": "EUR"}, None),
    ],
)
def test_a_fee_above_half_of_the_capital_a_year_is_pointed_out(
    fee: BaseFee, changes: dict[str, Any], said: tuple[str, ...] | None
) -> None:
    """DOMAIN.md 2.1 Q04: computed as written, with a warning above 50 % of the capital a year."""
    notices = contract((fee, LOSS, REST), **changes).notices
    if said is None:
        assert notices == ()
        return
    (notice,) = notices
    assert (notice.code, notice.clause) == ("implausible_fee", 0)
    for text in said:
        assert text in notice.message
