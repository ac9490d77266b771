"""Every kind of contract, from readings to payables, in one book: two months of many sites.

Fixed, variable, tiered, capped, floored and indexed terms; fees first and last; carry-forward; the end
before its time; days of a month; one site under two contracts in turn; five parties; another currency.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.front_door import Wish
from adapters.settling import Settled
from ledger import contract_file
from ledger.capital.entry import CashContribution
from ledger.capital.record import RecordCapital
from ledger.clauses import (
    BaseFee,
    CappedTier,
    Clause,
    EarlyTermination,
    Hurdle,
    IndexedFee,
    LossSplit,
    RemainderSplit,
)
from ledger.clauses.early_termination import TerminationStep
from ledger.contract import Contract, ContractParty
from ledger.demand import ActualDemand
from ledger.grid_account import Account
from ledger.interval import zone_of
from ledger.meter import Meter, RegisterMeter
from ledger.meter_import import RecordReadings
from ledger.published_tariff import PublishTariff
from ledger.quantity import Money
from ledger.readings import run_of
from ledger.settlement.result import Result
from ledger.settlement.settle import check_line
from ledger.signed_contract import RegisterContract
from ledger.site import RegisterSite, Site
from ledger.tariff import Tariff
from tests.adapters import sample
from tests.adapters.conftest import Bench
from tests.adapters.test_corrections import AUGUST, JULY, SUMMER, settle
from tests.adapters.test_settling import EXAMPLES
from tests.ledger.contract_samples import SEES
from tests.ledger.contract_samples import contract as sample_contract
from tests.stack import NatsServer, PostgresServer

FROM = date(2026, 7, 1)
FILES = sorted((EXAMPLES / "contracts").glob("*.toml"))
DOLLARS = msgspec.json.decode(
    msgspec.json.encode(msgspec.structs.replace(SUMMER, id="dollars")).replace(b'"CNY"', b'"USD"'),
    type=Tariff,
)
HALVES = {"host": "50%", "operator": "50%"}
FIFTHS = {"host": "40%", "operator": "30%", "a-investor": "15%", "b-platform": "10%", "lender": "5%"}


def two(name: str, clauses: tuple[Clause, ...] | None = None, **changes: Any) -> Contract:
    """A contract of host and operator for a site of its own name."""
    split = (LossSplit(shares=HALVES, carry_forward=False), RemainderSplit(shares=HALVES))
    fields: dict[str, Any] = {"id": name, "sites": (name,), "effective_from": FROM}
    return sample_contract(clauses or split, **fields | changes)


def fee(**changes: Any) -> BaseFee:
    fields: dict[str, Any] = {
        "rate": "12",
        "unit": "kWh.year",
        "quantity": "310",
        "quantity_basis": "nameplate",
        "proration": "days",
        "payer": "host",
        "payee": "operator",
        "timing": "after_split",
    }
    return BaseFee(**fields | changes)


FIVE = two(
    "five-parties",
    (
        LossSplit(shares=FIFTHS, carry_forward=False),
        CappedTier(cap="1000", proration="months", shares=FIFTHS),
        RemainderSplit(shares=FIFTHS),
        IndexedFee(
            amount="120",
            period="month",
            base_year=2025,
            adjusted_in=1,
            source="index",
            index={"2025": "100", "2026": "105"},
            proration="days",
            timing="after_split",
            payer="host",
            payee="operator",
        ),
    ),
    parties=(
        *sample_contract(
            (LossSplit(shares=HALVES, carry_forward=False), RemainderSplit(shares=HALVES))
        ).parties,
        ContractParty(id="lender", role="lender", sees=SEES),
    ),
)
HURDLE = Hurdle(
    capital="1200000", annual_rate="10%", proration="days", carry_forward=True, shares={"host": "100%"}
)
CARRIED = two(
    "carried", (LossSplit(shares=HALVES, carry_forward=False), HURDLE, RemainderSplit(shares=HALVES))
)
ENDED = two(
    "ended",
    (
        LossSplit(shares=HALVES, carry_forward=False),
        HURDLE,
        RemainderSplit(shares=HALVES),
        EarlyTermination(
            on=date(2026, 8, 1),
            evidence="notice 8",
            payer="operator",
            schedule=(TerminationStep(since=FROM, amount="5000"),),
            payment_shares={"host": "100%"},
            unpaid_hurdle="due",
            hurdle_shares={"host": "100%"},
        ),
    ),
)
LAST = two("fee-last", (LossSplit(shares=HALVES, carry_forward=False), RemainderSplit(shares=HALVES), fee()))
FIRST = two(
    "fee-first",
    (
        fee(payer="pool", timing="before_split"),
        LossSplit(shares=HALVES, carry_forward=False),
        RemainderSplit(shares=HALVES),
    ),
)
PART = two("part", (*LAST.clauses,), effective_from=date(2026, 7, 11))
BEFORE = two("before", sites=("in-turn",), effective_to=date(2026, 8, 1))
AFTER = two(
    "after",
    (
        LossSplit(shares=HALVES, carry_forward=False),
        RemainderSplit(shares={"host": "90%", "operator": "10%"}),
    ),
    sites=("in-turn",),
    effective_from=date(2026, 8, 1),
)
USD = two("in-dollars", currency="USD")
OWN = (FIVE, CARRIED, ENDED, LAST, FIRST, PART, BEFORE, AFTER, USD)


def of_file(file: Path) -> Contract:
    """The example over one site of its own name; of several hosts the first one's."""
    found = contract_file.parse(file.read_bytes())
    first = found.hosts.get(found.sites[0])
    parties = tuple(
        msgspec.structs.replace(one, sites=(found.id,) if one.sites and one.id == first else ())
        for one in found.parties
    )
    return msgspec.structs.replace(found, effective_from=FROM, sites=(found.id,), parties=parties)


def saves() -> Iterator[list[Any]]:
    """Commands that are accepted together; each save rests on those before it."""
    contracts = (*OWN, *map(of_file, FILES))
    sites = sorted({contract.sites[0] for contract in contracts})
    parties = sorted({party for contract in contracts for party in contract.party_ids})
    yield [sample.found_book(), PublishTariff(SUMMER), PublishTariff(DOLLARS)]
    yield [sample.register_party(party) for party in parties]
    yield [
        RegisterSite(
            sample.FROM_2026,
            Site(
                site,
                site,
                "Asia/Shanghai",
                800_000,
                400_000,
                DOLLARS.id if site == USD.id else SUMMER.id,
                Account(id=f"A-{site}", zone="Asia/Shanghai", parts="two_part", demand=ActualDemand()),
            ),
        )
        for site in sites
    ]
    yield [
        RegisterMeter(
            sample.FROM_2026,
            Meter(site, site, "storage", ("charge", "discharge"), 900, 400_000, "Asia/Shanghai"),
        )
        for site in sites
    ]
    zone = zone_of("Asia/Shanghai")
    cuts = [datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)]
    cuts = [JULY.interval(zone).start, *cuts, AUGUST.interval(zone).end]
    for start, end in pairwise(cuts):
        count = int((end - start).total_seconds()) // 900
        values: dict[Any, Any] = {"charge": np.zeros(count, int), "discharge": np.full(count, 1_000)}
        yield [
            RecordReadings(
                site,
                f"{start:%Y-%m}",
                "first",
                tuple(run_of(site, register, start, 900, wh, "A") for register, wh in values.items()),
            )
            for site in sites
        ]
    yield [RegisterContract(contract) for contract in contracts]
    yield [
        RecordCapital(
            contract.id,
            CashContribution(
                on=FROM, party=contract.party_ids[0], amount=Money(100_000_00, "CNY"), evidence="agreement 4"
            ),
        )
        for contract in contracts
        if "capital_hurdle" in contract.clause_types
    ]


@pytest.fixture(scope="module")
def results(nats_server: NatsServer, migrated: PostgresServer) -> Iterator[dict[tuple[str, str], Result]]:
    bench = Bench(nats_server, migrated)
    for number, save in enumerate(saves()):
        bench.door.execute_all([Wish(command, f"c{number}") for command in save], actor="ada")
    done: list[Settled] = settle(bench, JULY, AUGUST)
    yield {(one.result.contract, str(one.result.month)): one.result for one in done}
    bench.close()


Results = dict[tuple[str, str], Result]


def by_type(result: Result, code: str) -> dict[str, str]:
    return {line.party: str(line.amount) for line in result.lines if line.code == code}


def test_every_contract_settles_both_months_to_the_fen(results: Results) -> None:
    """And the examples that a user copies from are among them."""
    names = {name for name, _ in results}
    assert {of_file(file).id for file in FILES} <= names
    assert {one.id for one in OWN} <= names
    for result in results.values():
        assert sum(money.minor for money in result.payable.values()) == 0
        assert sum(money.minor for money in result.entitlement.values()) == result.pool.minor
        for line in result.lines:
            check_line(line)


def test_five_parties_share_a_capped_tier_and_pay_an_indexed_fee_last(results: Results) -> None:
    july = results["five-parties", "2026-07"]
    assert by_type(july, "capped_tier") == {
        "a-investor": "150.00",
        "b-platform": "100.00",
        "host": "400.00",
        "lender": "50.00",
        "operator": "300.00",
    }
    assert by_type(july, "indexed_fee") == {"host": "-126.00", "operator": "126.00"}
    rest = july.pool.minor - 100_000
    found = {line.party: line.amount.minor for line in july.lines if line.code == "remainder_split"}
    assert sum(found.values()) == rest > 0
    for party, percent in FIFTHS.items():
        assert abs(found[party] - Fraction(rest * int(percent.rstrip("%")), 100)) < 1


def test_fees_first_and_last_leave_what_the_order_says(results: Results) -> None:
    """12 a kWh and year of 310 kWh are 310.00 a month; first, it comes off the pool that is halved."""
    first, last = results["fee-first", "2026-07"], results["fee-last", "2026-07"]
    assert first.pool == last.pool
    pool = first.pool.minor
    half, after_fee = Fraction(pool, 2), Fraction(pool - 31_000, 2)
    assert abs(last.entitlement["host"].minor - (half - 31_000)) < 1
    assert abs(last.entitlement["operator"].minor - (half + 31_000)) < 1
    assert abs(first.entitlement["host"].minor - after_fee) < 1
    assert abs(first.entitlement["operator"].minor - (after_fee + 31_000)) < 1


def test_a_month_in_part_counts_by_its_days(results: Results) -> None:
    """From 11 July on 21 of 31 days: 21 x 96 quarter-hours of energy, and 210.00 of the fee."""
    part, whole = results["part", "2026-07"], results["fee-last", "2026-07"]
    discharged = {one.contract: one.lines[0].quantity for one in (part, whole)}
    assert discharged == {"part": str(21 * 96 * 1000), "fee-last": str(31 * 96 * 1000)}
    assert by_type(part, "base_fee") == {"host": "-210.00", "operator": "210.00"}
    assert by_type(results["part", "2026-08"], "base_fee")["operator"] == "310.00"


def test_an_unpaid_return_is_carried_and_due_when_the_contract_ends(results: Results) -> None:
    """10,000.00 a month are due on 1,200,000; what July's pool does not reach is due on top in August, or,
    where the contract ends on 1 August, paid by the operator beside the schedule's 5,000.00."""
    july, august = results["carried", "2026-07"], results["carried", "2026-08"]
    assert july.pool.minor < 1_000_000
    assert by_type(july, "hurdle") == {"host": str(july.pool)}
    unpaid = 1_000_000 - july.pool.minor
    due = Money(unpaid + 1_000_000, "CNY")
    assert any(f"due {due.minor // 100:,}." in line.note for line in august.lines if line.code == "hurdle")
    ended = results["ended", "2026-07"]
    assert ended.pool == july.pool
    paid = sorted(line.amount.minor for line in ended.lines if line.code == "early_termination")
    assert paid == sorted([-500_000, 500_000, -unpaid, unpaid])
    assert ended.entitlement["host"].minor == july.pool.minor + 500_000 + unpaid
    assert ("ended", "2026-08") not in results
    assert not ended.carry.accounts


def test_one_site_is_under_two_contracts_in_turn(results: Results) -> None:
    assert {key for key in results if key[0] in {"before", "after"}} == {
        ("before", "2026-07"),
        ("after", "2026-08"),
    }
    before, after = results["before", "2026-07"], results["after", "2026-08"]
    assert {one.site for result in (before, after) for one in result.lines if one.site} == {"in-turn"}
    assert abs(after.entitlement["host"].minor - Fraction(after.pool.minor * 9, 10)) < 1
    assert abs(before.entitlement["host"].minor - Fraction(before.pool.minor, 2)) < 1


def test_a_contract_in_dollars_on_a_tariff_in_dollars(results: Results) -> None:
    """The same prices in another currency: the same digits, and nothing of it adds to yuan."""
    dollars, yuan = results["in-dollars", "2026-07"], results["before", "2026-07"]
    assert dollars.currency == "USD"
    assert str(dollars.pool) == str(yuan.pool)
    monies = [dollars.pool, *dollars.entitlement.values(), *dollars.held.values(), *dollars.payable.values()]
    assert {money.currency for money in (*monies, *(line.amount for line in dollars.lines))} == {"USD"}
    assert dollars.entitlement["host"] + dollars.entitlement["operator"] == dollars.pool
