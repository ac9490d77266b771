"""The spot market in a month: the site's metered energy at its price point.

It claims everything metered, and the power that was cleared: q_e of q_e + q_as <= P_n (DOMAIN.md 4). Metered
power is not committed power: under AGC it may be the regulation award's.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ledger.exclusivity.claim import Claim
from ledger.exclusivity.grant import Granted
from ledger.exclusivity.policy import MatrixStream
from ledger.exclusivity.refused_part import refused_parts
from ledger.interval import Interval
from ledger.market_price import PriceSeries
from ledger.refusal import Refused
from ledger.settlement.markets.case import Case, Whole
from ledger.settlement.markets.commitment import at_most_installed, laid_out_w
from ledger.streams.earned import Earned
from ledger.streams.spot import (
    GridCharges,
    SpotClearing,
    SpotContract,
    SpotDeclaration,
    SpotIntradayTrade,
    SpotMonth,
    SpotRealTimeClearing,
    SpotRule,
    TradingUnit,
    spot_earnings,
    spot_prices,
)
from ledger.streams.spot.unit import end_to_end, energies_of

_SPOT: Final = "spot"
_OWN: Final[tuple[MatrixStream, ...]] = ("spot",)


class Spot:
    """One claim a month; under spot the account has no retail energy price that month."""

    def claims(self, case: Case) -> list[Claim]:
        rule = _rule(case)
        if rule is None:
            return []
        up_w, down_w = _cleared_w(case, rule)
        return [
            Claim(
                id=_SPOT,
                stream="spot",
                site=case.site.id,
                purpose="market",
                interval=case.market.interval,
                discharge_wh=case.discharge_wh,
                charge_wh=case.charge_wh,
                up_w=up_w,
                down_w=down_w,
            )
        ]

    def earn(self, case: Case, granted: Granted) -> list[Earned]:
        rule = _rule(case)
        if rule is None:
            return []
        for part in refused_parts(granted, of=_OWN):
            raise Refused(
                "spot_conflict",
                f"{part.words}; a clearing cannot be settled in part: keep the two apart",
                place=case.place,
            )
        series = case.market.spot
        if series is None or (series.day_ahead is None and rule.settlements == "two"):
            raise Refused("price_missing", "the site states no market_point", place=case.place)
        unit = TradingUnit(
            case.site.id,
            case.interval_s,
            case.discharge_wh,
            case.charge_wh,
            tuple(case.told(SpotClearing, rule.id)),
            tuple(case.told(SpotContract, rule.id)),
            tuple(case.told(SpotDeclaration, rule.id)),
            _statement(case, rule),
            _grid_charges(case, rule),
            tuple(case.told(SpotIntradayTrade, rule.id)),
        )
        day_ahead = series.day_ahead if rule.settlements == "two" else None
        reference = series.reference if rule.contract_point == "reference_node" else None
        prices = case.once(
            ("spot", id(rule), *_point(series.real_time, series.reference), case.market.interval),
            lambda: spot_prices(rule, case.market.interval, day_ahead, series.real_time, reference),
        )
        return list(spot_earnings(rule, unit, prices))


def _cleared_w(case: Case, rule: SpotRule) -> tuple[Whole, Whole]:
    """The power cleared toward and from the grid, with what was traded after; where day-ahead clearings
    overlap, `earn` refuses them."""
    cleared_w = np.zeros((2, len(case.discharge_wh)), dtype=np.int64)
    for run in end_to_end(case.told(SpotClearing, rule.id), case.interval_s):
        interval = Interval(run[0].interval.start, run[-1].interval.end)
        rows, watts = laid_out_w(case, interval, energies_of(run), f"clearing {run[0].id}")
        np.maximum(cleared_w[:, rows], watts, out=cleared_w[:, rows])
    up_w, down_w = cleared_w
    sold_w, bought_w = _traded_later_w(case, rule)
    later, both = (sold_w > 0) | (bought_w > 0), (sold_w > 0) & (bought_w > 0)
    net = up_w - down_w
    up_w = np.where(later, np.maximum(net + sold_w - np.where(both, 0, bought_w), 0), up_w)
    down_w = np.where(later, np.maximum(bought_w - net - np.where(both, 0, sold_w), 0), down_w)
    return at_most_installed(case, up_w), at_most_installed(case, down_w)


def _traded_later_w(case: Case, rule: SpotRule) -> tuple[Whole, Whole]:
    """The power sold and bought beside the day-ahead clearing; both where a meter's interval has both."""
    traded_w = np.zeros((2, len(case.discharge_wh)), dtype=np.int64)
    for one in case.told(SpotRealTimeClearing, rule.id):
        both_wh = (one.injected_wh, one.withdrawn_wh)
        rows, watts = laid_out_w(case, one.interval, both_wh, f"real-time clearing {one.id}")
        traded_w[:, rows] += watts
    for trade in case.told(SpotIntradayTrade, rule.id):
        volumes = [[max(sign * wh, 0) for wh in trade.volume_wh] for sign in (1, -1)]
        rows, watts = laid_out_w(case, trade.interval, volumes, f"trade {trade.id}")
        traded_w[:, rows] += watts
    sold_w, bought_w = traded_w
    return sold_w, bought_w


def _point(priced: PriceSeries, reference: PriceSeries | None) -> tuple[str, ...]:
    return (priced.market, priced.node, reference.node if reference else "")


def settled_at_spot(case: Case) -> bool:
    """Whether the site's metered energy is settled on a spot market, by itself or in a trading unit."""
    return _rule(case) is not None or any(one.stream == "spot" for one in case.market.allocated)


def _rule(case: Case) -> SpotRule | None:
    found = [rule for rule in case.rules(SpotRule) if _told(case, rule)]
    if len(found) > 1:
        names = ", ".join(rule.id for rule in found)
        raise Refused("spot_rule", f"one spot market a month, not {names}", place=case.place)
    return found[0] if found else None


def _told(case: Case, rule: SpotRule) -> bool:
    """Whether anything says that the month was settled on the spot market: a contract or a declaration too,
    which without its clearing is refused and not left out."""
    kinds = (
        SpotClearing,
        SpotRealTimeClearing,
        SpotIntradayTrade,
        SpotMonth,
        SpotContract,
        SpotDeclaration,
    )
    return any(case.told(kind, rule.id) for kind in kinds)


def _statement(case: Case, rule: SpotRule) -> SpotMonth | None:
    statements = case.told(SpotMonth, rule.id)
    if len(statements) > 1:
        raise Refused(
            "statement_duplicate",
            f"{statements[0].id} and {statements[1].id} both state the month; correct one under its own id",
            place=statements[1].id,
        )
    return statements[0] if statements else None


def _grid_charges(case: Case, rule: SpotRule) -> GridCharges | None:
    if rule.charging_bears in ("nothing", "billed_elsewhere"):
        return None
    components = case.tariff.table_for(case.month).components
    if components is None:
        raise Refused(
            "grid_charges",
            f"tariff {case.tariff.id} of {case.month} states no components of its price",
            place=case.place,
        )
    return GridCharges(components.transmission, components.government_fund)
