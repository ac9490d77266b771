"""Energy delivered under AGC in a month: what is metered while it instructs, less what was sold beside it.

A response's Wh that its granted power delivered are the response's own; the rest of an instructed interval is
AGC's, and not counted as arbitrage (DOMAIN.md 3.6, 4). In a spot month it settles at the real-time price with
all that is metered (SP x AS), and is not claimed again.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.markets.commitment import POWER_OF, Energy, kept_wh
from ledger.settlement.markets.regulation import market_of, told_performance
from ledger.settlement.markets.spot import settled_at_spot
from ledger.streams.agc_energy import agc_energy, agc_energy_earned
from ledger.streams.earned import Earned
from ledger.streams.regulation import RegulationPerformance, RegulationRule

_NAME_MAX: Final = 60


class Agc:
    """A claim of energy a rule, made after the other streams' commitments are known."""

    def claims(self, case: Case, committed: Granted) -> list[Claim]:
        if settled_at_spot(case):
            return []
        claims: list[Claim] = []
        for rule in case.rules(RegulationRule):
            if not (told := [*told_performance(case, rule), *_of_units(case, rule)]):
                continue
            found = agc_energy(
                market_of(case, rule), told, case.charge_wh, case.discharge_wh, case.interval_s
            )
            charge, discharge = (
                np.maximum(wh - _sold(case, committed, quantity), 0)
                for wh, quantity in ((found.charge_wh, _CHARGE), (found.discharge_wh, _DISCHARGE))
            )
            if charge.any() or discharge.any():
                claims.append(
                    Claim(
                        id=_name(rule),
                        stream="ancillary",
                        site=case.site.id,
                        purpose="market",
                        interval=case.market.interval,
                        discharge_wh=discharge,
                        charge_wh=charge,
                    )
                )
        return claims

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        """What markets pay for the Wh that the matrix left to AGC.

        Raises:
            Refused: what `agc_energy_earned` refuses, such as an instructed interval without its price.
        """
        earned: list[Earned] = []
        names = {_name(rule): rule for rule in case.rules(RegulationRule) if rule.energy == "real_time"}
        for grant in granted.grants:
            rule = names.get(grant.claim.id)
            if rule is None or grant.claim.stream != "ancillary":
                continue
            assert grant.charge_wh is not None
            assert grant.discharge_wh is not None
            real_time = None if case.market.spot is None else case.market.spot.real_time
            line = agc_energy_earned(
                rule, case.market.interval, case.interval_s, grant.charge_wh, grant.discharge_wh, real_time
            )
            earned += [] if line is None else [line]
        return earned


def _of_units(case: Case, rule: RegulationRule) -> list[RegulationPerformance]:
    """What was told of the site as a member of trading units: its energy alone, for the unit is what is paid
    for power."""
    return [
        RegulationPerformance(
            id=one.fact,
            site=case.site.id,
            rule=rule.id,
            run=one.run,
            interval=agc.interval,
            product=rule.products[0],
            instructions=agc.called,
            mileage_w=(0,) * len(agc.called),
            score=tuple(0 if called else None for called in agc.called),
            score_scale=0,
            charged_wh=agc.charged_wh,
            discharged_wh=agc.discharged_wh,
        )
        for one in case.market.allocated
        if (agc := one.share.under_agc) is not None and agc.rule == rule.id
    ]


_CHARGE: Final[Energy] = "charge_wh"
_DISCHARGE: Final[Energy] = "discharge_wh"


def _name(rule: RegulationRule) -> str:
    return f"{rule.id[:_NAME_MAX]}-agc"


def _sold(case: Case, committed: Granted, quantity: Energy) -> Whole:
    """The Wh that other streams' granted claims delivered."""
    sold = np.zeros(len(case.charge_wh), dtype=np.int64)
    for grant in committed.grants:
        wh = grant.granted(quantity)
        if wh is not None and grant.claim.purpose == "market":
            powered = grant.claim.asked(POWER_OF[quantity]) is not None
            sold[committed.storage.span(grant.claim)] += kept_wh(case, grant, quantity) if powered else wh
    return sold
