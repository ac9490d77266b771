"""The digest of the inputs is over the same bytes for ever: stored runs are compared by it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np

from ledger import contract_file
from ledger.exclusivity import policy_file
from ledger.interval import Interval
from ledger.settlement.inputs import RULES_VERSION, Inputs, SiteInputs, digest_of
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth
from ledger.stored_energy import Stored
from ledger.streams import Fact, Rule
from ledger.streams.demand_response import DemandResponseInvitation, DemandResponseOutage
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
