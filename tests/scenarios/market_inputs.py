"""A market scenario's ``given/`` as what the product settles: the same tables, in the product's own types."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import numpy as np

from ledger.clauses import LossSplit, RemainderSplit
from ledger.contract import Contract, ContractParty, Visibility
from ledger.exclusivity import policy_file
from ledger.market_price import PriceBlock, PriceSeries
from ledger.presets import AgencyOperationTerms, preset_clauses
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.line import Source
from ledger.settlement.markets.month import MarketMonth, SpotPricesOf
from ledger.settlement.result import Result
from ledger.settlement.settle import settle
from ledger.site import MarketPoint, Site
from ledger.stored_energy import Stored
from ledger.streams.baseline import Profile
from tests.scenarios.market_facts import EXAMPLES, PRICE_SCALE, QUARTER_S, Told
from tests.scenarios.test_scenarios import account_of, tariff_of

NOBODY = {
    "zone": "Asia/Shanghai",
    "demand_mode": "none",
    "power_factor_standard": "none",
    "high_use_discount": "none",
    "capacity_kva": "none",
}


class Scenario(Told):
    """One folder, settled by the product."""

    def series(self, product: Any, of: str, step_s: int) -> PriceSeries:
        mantissas = [
            price * 10**PRICE_SCALE
            for price in self.steps("spot_prices", step_s, "price_per_kwh", product=of)
        ]
        assert all(one.denominator == 1 for one in mantissas)
        block = PriceBlock(
            self.whole.start, np.array([int(one) for one in mantissas], dtype=np.int64), PRICE_SCALE
        )
        return PriceSeries("m", "ref" if of == "reference" else "n", product, step_s, "CNY", (block,))

    def prices(self) -> SpotPricesOf | None:
        if not self.of("spot") and (self.given / "spot_prices.csv").exists():
            return SpotPricesOf(None, self.series("real_time", "real_time", QUARTER_S), None)
        for told in self.of("spot"):
            rule = self.rules[told["rule"]]
            reference = None
            if rule.contract_point == "reference_node":
                reference = self.series("day_ahead", "reference", rule.day_ahead_interval_s)
            return SpotPricesOf(
                self.series("day_ahead", "day_ahead", rule.day_ahead_interval_s),
                self.series("real_time", "real_time", rule.real_time_interval_s),
                reference,
            )
        return None

    def result(self) -> Result:
        site, tariff = self.told["site"], tariff_of({"tariff": self.told["site"]["tariff"]})
        account = account_of({**NOBODY, **site, "export_price": site["feed_in_price"]})
        load = self.energy("load_wh") - self.energy("pv_wh")
        charge, discharge = self.energy("charge_wh"), self.energy("discharge_wh")
        present = np.zeros(len(load), dtype=np.bool_)
        grid, storage = (
            Profile(self.whole.start, QUARTER_S, "Asia/Shanghai", wh, present)
            for wh in (load + charge - discharge, charge - discharge)
        )
        watts, watt_hours = int(site["rated_kw"]) * 1000, int(site["capacity_kwh"]) * 1000
        point = MarketPoint("m", "n", "ref") if self.of("spot") else None
        method = site.get("stored_energy", "proportional")
        place = Site("S", "S", "Asia/Shanghai", watt_hours, watts, tariff.id, account, method, point)
        facts = tuple(self.facts())
        market = (
            MarketMonth(self.whole, self.rules, facts, self.prices(), grid, storage, ()) if facts else None
        )
        opening = Stored(*(int(site.get(f"opening_{source}_wh", 0)) for source in ("pv", "grid")))
        inputs = SiteInputs(place, tariff, QUARTER_S, load, charge, discharge, None, (), market, opening)
        policy = policy_file.parse(
            (EXAMPLES / f"exclusivity/{self.told.get('policy', 'rule_based')}.toml").read_bytes()
        )
        policy = msgspec.structs.replace(policy, switches_on=self.told.get("switches", {}))
        contract = contract_of(self.told["contract"])
        return settle(
            Inputs(contract, self.month, 1, (inputs,), None, Source("contract.C", ((1, 1),)), policy)
        )


def contract_of(terms: dict[str, Any]) -> Contract:
    """The scenario's shares; the model is a label, its clauses are what is computed."""
    sees = Visibility(pool_total=True, others_percentages=True, host_bill=True)
    holders = terms["cash_holder"]
    if terms["model"] == "split":
        shares = {party: f"{weight}%" for party, weight in terms["share"].items()}
        clauses: Any = (
            LossSplit(shares=shares, carry_forward=False),
            RemainderSplit(shares=shares),
        )
        parties = sorted(shares)
    else:
        clauses = preset_clauses(
            AgencyOperationTerms(
                host=terms["user"],
                operator=terms["operator"],
                annual_amount=str(terms["guarantee_per_year"]),
                excess_share=f"{terms['user_share_of_excess_percent']}%",
                carry="annual_reset",
                reset_month=8,
                proration="days",
            )
        )
        parties = sorted([terms["user"], terms["operator"]])
    return Contract(
        id="C",
        title="scenario",
        model="agency_operation" if terms["model"] == "agency" else "energy_storage_as_a_service",
        sites=("S",),
        currency="CNY",
        zone="Asia/Shanghai",
        effective_from=date(2026, 8, 1),
        effective_to=date(2036, 8, 1),
        parties=tuple(ContractParty(id=p, role="host", sees=sees) for p in parties),
        owner_position="gross",
        split_basis="tax_inclusive",
        pool_streams=tuple(holders),
        pass_through_costs=(),
        cash_holder=dict(holders),
        clauses=clauses,
    )
