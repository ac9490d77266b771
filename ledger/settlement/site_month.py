"""One site's month: what it earned behind its meter, and what markets and customers paid beside it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ledger.demand import averaging_s
from ledger.exclusivity.conflict import Conflicts
from ledger.interval import Interval, midnight, zone_of
from ledger.refusal import Refused
from ledger.settlement.attribution import SiteEarnings, site_earnings
from ledger.settlement.inputs import Inputs, SiteInputs
from ledger.settlement.markets import MarketEarnings, market_earnings
from ledger.settlement.markets.bill import bill_excludes_itself
from ledger.settlement.markets.case import Case, MeteredDemand, OnBill
from ledger.settlement.markets.month import nothing_told
from ledger.storage_saving import FeederEnergy
from ledger.stream import Stream

_RETAIL: Final[frozenset[Stream]] = frozenset({"arbitrage", "pv_time_shift", "interaction"})
"""What does not exist in a month whose energy was settled on the spot market (DOMAIN.md 4, A and T
against SP): the two-part charges stay."""


def with_markets(
    inputs: Inputs, site: SiteInputs, behind: SiteEarnings, shared: dict[tuple[object, ...], Any]
) -> SiteEarnings:
    """What the site earned behind its meter, less what the matrix gave to others, and what markets paid.

    Raises:
        Refused: `exclusivity_missing`; `spot_cycle` and `tagged_cycle` where the bill is of other days than
            the calendar month; what `market_earnings` refuses.
    """
    policy = inputs.policy
    if site.market is None and (policy is None or not bill_excludes_itself(policy)):
        return behind
    if policy is None:
        raise Refused(
            "exclusivity_missing",
            f"no exclusivity policy {inputs.contract.exclusivity!r} is published, and markets paid this site:"
            " publish it, such as by wattledger register exclusivity"
            f" examples/exclusivity/{inputs.contract.exclusivity}.toml",
            place=f"site {site.site.id}",
        )
    key = ("conflicts", policy.id)
    conflicts = shared.get(key) or shared.setdefault(key, Conflicts(policy))
    market = site.market or nothing_told(_settled_days(inputs, site))
    start = midnight(inputs.month.first_day, zone_of(site.site.zone))
    first = int((market.interval.start - start).total_seconds()) // site.interval_s
    days = slice(first, first + market.interval.seconds // site.interval_s)
    energy = site.month_energy or site
    case = Case(
        site.site,
        site.tariff,
        inputs.month,
        site.interval_s,
        energy.charge_wh[days],
        energy.discharge_wh[days],
        market,
        shared,
        _on_bill(site, behind, days),
    )
    paid = market_earnings(case, conflicts)
    if site.site.account.anchor_day != 1:
        _check_cycle(site, paid)
    if not paid.left.whole:
        behind = site_earnings(behind.measured, paid.left, days)
    kept = [one for one in behind.earned if paid.retail or one.stream not in _RETAIL]
    notices = (*behind.notices, *paid.notices)
    return behind._replace(
        earned=(*kept, *paid.earned), refused=paid.refused, notices=notices, claimed=paid.claimed
    )


def _settled_days(inputs: Inputs, site: SiteInputs) -> Interval:
    first, end = inputs.contract.days_in(inputs.month)
    zone = zone_of(site.site.zone)
    return Interval(midnight(first, zone), midnight(end, zone))


def _on_bill(site: SiteInputs, behind: SiteEarnings, days: slice) -> OnBill | None:
    """What the storage does on the bill in the settled days; None where the bill is of other days, and where
    there is none."""
    if site.load_wh is None or site.site.account.anchor_day != 1:
        return None
    from_pv = behind.measured.from_pv
    nothing = np.zeros(days.stop - days.start, dtype=np.int64)
    supplies = site.feeders or (FeederEnergy("", site.load_wh, site.charge_wh, site.discharge_wh),)
    account = site.site.account
    terms = [one.demand for one in account.feeders] if account.feeders else [account.demand]
    return OnBill(
        nothing if from_pv is None else from_pv.charge_wh[days],
        nothing if from_pv is None else from_pv.discharge_wh[days],
        tuple(
            MeteredDemand(one.load_wh, one.charge_wh, one.discharge_wh, averaged)
            for one, demand in zip(supplies, terms, strict=True)
            if demand is not None and (averaged := averaging_s(demand)) is not None
        ),
        days,
    )


def _check_cycle(site: SiteInputs, paid: MarketEarnings) -> None:
    """A bill of other days than the market's month cannot be told apart by what the markets had in it."""
    if not paid.retail:
        raise Refused(
            "spot_cycle",
            "a spot month replaces the retail price of the calendar month, and the account is billed from day"
            f" {site.site.account.anchor_day}: such an account has anchor day 1",
            place=f"site {site.site.id}",
        )
    for taken in paid.left.taken:
        wh = int(taken.charge_wh.sum() + taken.discharge_wh.sum())
        raise Refused(
            "tagged_cycle",
            f"{wh} Wh of the calendar month are {taken.taker}'s and not counted as {taken.stream}, and the"
            f" account is billed from day {site.site.account.anchor_day}: such an account has anchor day 1",
            place=f"site {site.site.id}",
        )
