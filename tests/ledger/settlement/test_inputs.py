"""The digest of the inputs is over the same bytes for ever: stored runs are compared by it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from ledger import contract_file
from ledger.exclusivity import policy_file
from ledger.interval import Interval, Month
from ledger.period_schedule import PeriodSchedule
from ledger.price_table import PeriodPrices, PriceTable
from ledger.settlement.inputs import RULES_VERSION, Inputs, SiteInputs, digest_of
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth
from ledger.stored_energy import Stored
from ledger.streams import Fact, Rule
from ledger.streams.demand_response import DemandResponseInvitation, DemandResponseOutage
from ledger.tariff import Schedule, Tariff
from tests.ledger.settlement.test_behind_the_meter import AUGUST, SITE, TARIFF
from tests.ledger.settlement.test_commitment import DR, MONTH, called, rule

FILE = Path(__file__).parents[3] / "examples/contracts/eaas-s1.toml"
CONTRACT = contract_file.parse(FILE.read_bytes())


def inputs(charge: np.ndarray[tuple[int], np.dtype[np.int64]], *, load: bool) -> Inputs:
    discharge = np.arange(2976, dtype=np.int64)
    site = SiteInputs(SITE, TARIFF, 900, discharge * 7 if load else None, charge, discharge, None, ())
    return Inputs(CONTRACT, AUGUST, 12, (site, site), None, Source("contract.eaas-s1", ((3, 3),)))


def test_each_part_has_a_digest_of_its_own() -> None:
    """What changes is what the next run is a correction for."""
    charge = np.arange(2976, dtype=np.int64)[::-1].copy()
    before = inputs(charge, load=True).digests(claimed=False)

    def changed(made: Inputs) -> set[str]:
        return {part for part, digest in made.digests(claimed=False).items() if digest != before[part]}

    assert changed(inputs(charge, load=True)) == set()
    assert changed(inputs(charge, load=False)) == {"meter"}
    assert changed(inputs(charge, load=True)._replace(position=99)) == set()
    contract = msgspec.structs.replace(CONTRACT, title="Amended")
    assert changed(inputs(charge, load=True)._replace(contract=contract)) == {"contract"}
    tariff = msgspec.structs.replace(TARIFF, id="another")
    sites = tuple(site._replace(tariff=tariff) for site in inputs(charge, load=True).sites)
    assert changed(inputs(charge, load=True)._replace(sites=sites)) == {"price"}
    stored = tuple(site._replace(opening=Stored(1, 0)) for site in inputs(charge, load=True).sites)
    assert changed(inputs(charge, load=True)._replace(sites=stored)) == {"earlier_month"}


def test_of_a_tariff_only_what_is_in_force_in_the_month_is_a_part() -> None:
    """Publishing another month's prices, or saying when they end, corrects nothing."""
    charge = np.zeros(2976, dtype=np.int64)
    all_day = (Schedule(Month(2020, 1), None, "a notice", PeriodSchedule((), "flat")),)
    free = tuple(msgspec.structs.replace(one, float_rule=None) for one in TARIFF.schedules)
    now = next(one for one in TARIFF.tables if one.start <= AUGUST < one.until)
    alone = msgspec.structs.replace(now, start=AUGUST, until=AUGUST.next(), components=None)
    flat = alone.prices.flat
    assert flat is not None
    dearer = msgspec.structs.replace(
        alone, prices=PeriodPrices(flat, flat, flat, flat, flat), source="dearer than before"
    )

    def price(tariff: Tariff, anchor_day: int = 1) -> str:
        account = msgspec.structs.replace(SITE.account, anchor_day=anchor_day)
        site = msgspec.structs.replace(SITE, account=account)
        made = inputs(charge, load=True)
        sites = tuple(one._replace(tariff=tariff, site=site) for one in made.sites)
        return made._replace(sites=sites).digests(claimed=False)["price"]

    alone = msgspec.structs.replace(now, start=AUGUST, until=AUGUST.next())

    def of(*tables: PriceTable, schedules: tuple[Schedule, ...] = free) -> Tariff:
        return msgspec.structs.replace(TARIFF, tables=tables, schedules=schedules)

    def at(month: Month, table: PriceTable) -> PriceTable:
        return msgspec.structs.replace(table, start=month, until=month.next())

    july, september = Month(2026, 7), Month(2026, 9)
    assert price(of(alone, at(september, dearer))) == price(of(alone))
    assert price(of(msgspec.structs.replace(alone, until=Month(2026, 10)))) == price(of(alone))
    assert price(of(msgspec.structs.replace(alone, source="the notice"))) == price(of(alone))
    assert price(of(dearer)) != price(of(alone))
    assert price(of(alone, schedules=all_day)) != price(of(alone))
    before, after = of(at(july, alone), alone), of(at(july, dearer), alone)
    assert price(before) == price(after), "not of this month"
    assert price(before, 25) != price(after, 25), "of the cycle"


def test_digests_of_whole_tariffs_are_restated() -> None:
    made = inputs(np.zeros(2976, dtype=np.int64), load=True)
    now = made.digests(claimed=False)
    encode = msgspec.json.Encoder(order="deterministic").encode
    whole = [[hashlib.sha256(encode(TARIFF)).hexdigest(), None]] * 2
    before = {**now, "price": hashlib.sha256(encode(whole)).hexdigest(), "meter": "another"}
    assert made.restated(before, {TARIFF.id: TARIFF}) == {**now, "meter": "another"}
    assert made.restated(now, {TARIFF.id: TARIFF}) is None, "it is no older one"
    assert made.restated(before, {}) is None
    assert made.restated(before, {TARIFF.id: msgspec.structs.replace(TARIFF, voltage="35kV")}) is None, (
        "nor of that tariff"
    )


POLICY = policy_file.parse((FILE.parents[1] / "exclusivity/rule_based.toml").read_bytes())


def test_a_policy_is_a_part_only_where_a_stream_claimed_something() -> None:
    with_policy = inputs(np.zeros(2976, dtype=np.int64), load=True)._replace(policy=POLICY)
    other = with_policy._replace(policy=msgspec.structs.replace(POLICY, title="Another"))
    assert with_policy.digests(claimed=False) == other.digests(claimed=False)
    assert "exclusivity" not in with_policy.digests(claimed=False)
    before, after = with_policy.digests(claimed=True), other.digests(claimed=True)
    assert {part for part, digest in after.items() if digest != before[part]} == {"exclusivity"}


DAY = timedelta(days=1)


def told(*facts: Fact, rules: tuple[Rule, ...]) -> Inputs:
    """The first of two sites with market facts, the second with none."""
    month = MarketMonth(MONTH, {one.id: one for one in rules}, facts, None, None, None, ())
    made = inputs(np.zeros(2976, dtype=np.int64), load=True)
    return made._replace(sites=(made.sites[0]._replace(market=month), made.sites[1]))


def used(*facts: Fact, rules: tuple[Rule, ...]) -> set[str]:
    rest = told(*facts, rules=rules).digests(claimed=False).get("market_rule", "")
    return {one.split(":")[0] for one in rest.split()}


def test_a_market_rule_is_a_part_only_where_it_was_used() -> None:
    """By what was told of the site in the month; an event's baseline leaves out other events of before."""
    rules = tuple(msgspec.structs.replace(rule(DR), id=name) for name in ("dr", "other"))
    first = called("e1", 40, 1000, "dr")[0]
    outage = DemandResponseOutage(
        id="o1", site="S1", rule="dr", run="r", interval=MONTH, reason="works", excused=True
    )
    assert isinstance(first, DemandResponseInvitation)
    july = Interval(MONTH.start - 10 * DAY, MONTH.start - 10 * DAY + timedelta(hours=1))
    earlier = msgspec.structs.replace(first, id="e0", rule="other", interval=july, announced=july.start)
    assert used(rules=rules) == set(), "named by nothing"
    assert used(outage, rules=rules) == set(), "an outage pays nothing"
    assert used(earlier, rules=rules) == set(), "told of another month"
    assert used(first, rules=rules) == {"dr"}
    assert used(first, earlier, rules=rules) == {"dr", "other"}


def test_an_unused_rule_may_change_and_a_used_one_is_told_by_its_name() -> None:
    event = called("e1", 40, 1000, "dr")
    first, other = (msgspec.structs.replace(rule(DR), id=name) for name in ("dr", "other"))
    other_again = msgspec.structs.replace(other, source="a newer document")
    first_again = msgspec.structs.replace(first, source="a newer document")
    now = told(*event, rules=(first, other)).digests(claimed=True)
    assert told(*event, rules=(first, other_again)).digests(claimed=True) == now
    again = told(*event, rules=(first_again, other)).digests(claimed=True)
    assert {part for part, digest in again.items() if digest != now[part]} == {"market_rule"}


def test_sites_under_two_versions_of_a_rule_are_told_apart() -> None:
    event = called("e1", 40, 1000, "dr")
    one = msgspec.structs.replace(rule(DR), id="dr")
    two = msgspec.structs.replace(one, source="a newer document")
    made = told(*event, rules=(one,))
    month = made.sites[0].market
    assert month is not None
    newer = month._replace(rules={"dr": two})

    def both(first: MarketMonth, second: MarketMonth) -> str:
        sites = (made.sites[0]._replace(market=first), made.sites[1]._replace(market=second))
        return made._replace(sites=sites).digests(claimed=True)["market_rule"]

    assert len({both(month, month), both(month, newer), both(newer, month), both(newer, newer)}) == 4
    assert both(month, month) == made.digests(claimed=True)["market_rule"], "another site uses it too"


def test_the_digest_of_all_parts_is_plain_sha_256() -> None:
    parts = inputs(np.zeros(2976, dtype=np.int64), load=False).digests(claimed=False)
    text = "{" + ",".join(f'"{name}":"{digest}"' for name, digest in sorted(parts.items())) + "}"
    assert digest_of(parts) == hashlib.sha256(text.encode()).hexdigest()
    assert parts["rule"] == hashlib.sha256(f'"{RULES_VERSION}"'.encode()).hexdigest()


def test_the_digest_sees_a_single_watt_hour() -> None:
    charge = np.zeros(2976, dtype=np.int64)
    before = digest_of(inputs(charge, load=False).digests(claimed=False))
    charge[17] += 1
    assert digest_of(inputs(charge, load=False).digests(claimed=False)) != before
