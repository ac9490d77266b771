"""From a forecast and what a unit can do to the draft of a bid, with its reasons. Nothing is submitted here.

The plan is the unit's best schedule at the expected prices; it is offered as `dispatch.bidding.curve` says.
What the desk's rules ask for (a check, a second person's approval) comes after, as for any draft.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec
import numpy as np

from adapters.desk.binding import Binding, SiteTies
from adapters.desk.desk import Desk
from adapters.planning.price_subject import forecast_command, points_of_unit, price_kind, subject_at
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.market_gates import market_on
from dispatch.bidding.curve import CurveRules, Explained, PriceRange, StorageCost, beyond_plan_wh, curves_of
from dispatch.bidding.further import StoredRoom, Way
from dispatch.bidding.one_side import OneSide, one_side
from dispatch.forecasts.forecast import Forecast
from dispatch.forecasts.prediction import LEVELS_PERMILLE
from dispatch.optimiser.perfect_foresight import perfect_foresight
from dispatch.optimiser.site import Storage
from ledger.clauses.flow import exact_text
from ledger.effective import History
from ledger.quantity import decimal_text, round_half_away
from ledger.refusal import Refused
from trading.bid import Bid
from trading.commitment import UnitDay, aggregate_of
from trading.envelope import PPM, UnitEnvelope
from trading.product import Market, Product

_K: Final = 1000
_MICRO: Final = 1_000_000
_S_PER_HOUR: Final = 3600
_LOW_PERMILLE_MAX: Final = 100
_HIGH_PERMILLE_MIN: Final = 900
"""Beyond these quantiles lie few outcomes: what a curve may count on."""
_WAYS: Final[tuple[Way, Way]] = (-1, 1)
_MINOR: Final = 100
_LOTS_LEFT: Final = 2
"""Of every interval so much stays unused at floor and ceiling: the plan is cut to whole lots."""


class Proposal(NamedTuple):
    """A bid to be drafted, each interval's steps with their grounds, and the forecast that it rests on; what
    it comes to where its purchases clear alone, and its sales, in the market's currency."""

    bid: Bid
    explained: tuple[tuple[Explained, ...], ...]
    forecast: str
    bought: OneSide
    sold: OneSide
    currency: str


class Asked(NamedTuple):
    """What a bid is proposed for. `wear_u` is millionths of money per kWh of throughput, `deviation_u` what a
    kWh of deviation from an award costs."""

    unit: str
    market: str
    product: str
    day: date
    wear_u: int = 0
    deviation_u: int = 0


def proposal(desk: Desk, connection: Connection, position: int, asked: Asked, name: str) -> Proposal:
    """The bid, not yet written.

    Raises:
        Refused: `unknown_market`, `unknown_product`; `proposal_product` for one that is no energy of the day
            ahead or of real time; `contract_forbids` where a contract of the unit's sites takes no part
            in it; `envelope_missing`; `currency` and `price_interval` for a forecast that does not fit;
            `forecast_missing` where no forecast of the product's price on record covers the delivery day
            with the quantiles that a curve needs, `forecast_choice` where several nodes' do.
    """
    market, _ = market_on(connection, position, asked.market, asked.day)
    product = market.product(asked.product)
    price_kind(product)
    empty = Bid(
        id=name, unit=asked.unit, market=asked.market, product=asked.product, day=asked.day, curves=()
    )
    Binding(SiteTies.read(desk.database, desk.door.book)).check_contracts(empty, product, desk.door.state)
    envelope = _envelope(desk, asked, market)
    forecast_id, forecast = _forecast(connection, position, asked, market, product)
    prices = _prices(forecast_id, forecast, market, product, asked.day)
    plan = _schedule(envelope, prices.expected_u, product, asked.wear_u)
    rules, room = _rules(product), _room(envelope, product)
    explained = curves_of(
        plan,
        prices,
        StorageCost(
            charge_ppm=envelope.charge_ppm,
            discharge_ppm=envelope.discharge_ppm,
            wear_u=asked.wear_u,
            deviation_u=asked.deviation_u,
        ),
        rules,
        low_w=-envelope.charge_w,
        high_w=envelope.discharge_w,
        room=room if product.energy_check == "schedule" else None,
    )
    if not any(explained):
        wrong = f"at the prices of {forecast_id} no cycle pays its losses and wear: there is nothing to offer"
        raise Refused("proposal_empty", wrong, place="day")
    bid = msgspec.structs.replace(
        empty,
        curves=tuple(tuple(one.step for one in curve) for curve in explained),
        schedule_w=tuple(_scheduled(power, curve) for power, curve in zip(plan, explained, strict=True)),
        origin="optimiser",
        note=f"proposed from {forecast_id}",
    )
    bought, sold = (one_side(explained, way, room, rules, asked.deviation_u) for way in _WAYS)
    return Proposal(bid, explained, forecast_id, bought, sold, market.currency)


def told(found: Proposal, product: Product) -> Iterator[str]:
    """A line for each step: why this quantity, and why at this price; at the end what all of them may be
    awarded: the plan, beyond it, and at worst one side alone."""
    for number, curve in enumerate(found.explained):
        for one in curve:
            low, high, price = one.step
            at = exact_text(product.price_of(price))
            yield f"{number:>3}  {low:>12} .. {high:>12} W at {at}: {_why(one, product)}"
    planned = [one.step for curve in found.explained for one in curve if one.leg is None]
    sales = [price for low, _, price in planned if low >= 0]
    purchases = [price for low, _, price in planned if low < 0]
    if sales and purchases and max(sales) <= min(purchases):
        least, most = (exact_text(product.price_of(price)) for price in (max(sales), min(purchases)))
        yield f"at prices from {least} to {most} the plan is awarded whole"
    charged, discharged = beyond_plan_wh(found.explained, product.interval_s)
    if charged or discharged:
        yield (
            f"beyond the plan at most {discharged} Wh sold and {charged} Wh bought, whatever prices come:"
            " one cycle of the storage, deliverable where the plan is awarded whole"
        )
    yield _one_side(found.bought, found.currency, "purchases", "bought", "takes")
    yield _one_side(found.sold, found.currency, "sales", "sold", "gives")


def _one_side(found: OneSide, currency: str, side: str, traded: str, can: str) -> str:
    """What holds on the worst path of prices, which may award one side and nothing of the other."""
    told = f"at worst, where the {side} clear alone, {found.awarded_wh} Wh are {traded}"
    if not found.over_wh:
        return f"{told}: the storage {can} all of it"
    cost = decimal_text(round_half_away(Fraction(found.cost_u * _MINOR, _MICRO)), 2)
    over = f"{found.over_wh} Wh more than the storage {can}"
    return f"{told}: {over}, which cost {cost} {currency} at most to settle"


def _why(one: Explained, product: Product) -> str:
    at, sold = exact_text(product.price_of(one.at_u)), one.step[0] >= 0
    match one.ground:
        case "whole_day":
            side, end = ("down", "lowest") if sold else ("up", "highest")
            return f"{side} to it, the {end} price of the day far outside its forecast: {at}"
        case "break_even":
            side = "down" if sold else "up"
            return f"{side} to it the planned trade loses nothing against the other leg at {at}"
        case "limit":
            return "the market's own limit: offered only there"
        case "further_cycle" if sold:
            return f"one more cycle pays, bought in {one.leg} at {at} or less far outside the forecast"
        case "further_cycle":
            return f"one more cycle pays, sold in {one.leg} at {at} or more far outside the forecast"
        case "in_place" if sold:
            return f"sold in place of {one.leg}, which brings {at} or less far outside the forecast"
        case "in_place":
            return f"bought in place of {one.leg}, which costs {at} or more far outside the forecast"
        case "beyond_forecast":
            side = "above" if sold else "below"
            return f"{side} {at}, far outside its own forecast; its other leg is {one.leg}"


def _scheduled(power: int, curve: tuple[Explained, ...]) -> int:
    """The planned power as far as it is offered."""
    if not curve:
        return 0
    return min(max(power, curve[0].step[0]), curve[-1].step[1])


def _rules(product: Product) -> CurveRules:
    return CurveRules(
        floor_u=product.floor_u,
        cap_u=product.cap_u,
        tick_u=product.tick_u,
        lot_w=product.lot_w,
        quantity_min_w=product.quantity_min_w,
        quantity_max_w=product.quantity_max_w,
        segments_max=product.segments_max,
        direction=product.direction,
    )


def _room(envelope: UnitEnvelope, product: Product) -> StoredRoom:
    return StoredRoom(
        stored_wh=envelope.stored_wh,
        floor_wh=envelope.floor_wh,
        ceiling_wh=envelope.ceiling_wh,
        charge_ppm=envelope.charge_ppm,
        discharge_ppm=envelope.discharge_ppm,
        interval_s=product.interval_s,
    )


def _envelope(desk: Desk, asked: Asked, market: Market) -> UnitEnvelope:
    """What the unit can do on the day."""
    day = desk.door.state(aggregate_of(asked.unit, asked.day))
    if isinstance(day, UnitDay) and day.envelope is not None:
        return day.envelope.limits
    standing = desk.door.state(f"envelope.{asked.unit}")
    version = standing.at(market.start_of(asked.day)) if isinstance(standing, History) else None
    if version is None:
        wrong = f"state what {asked.unit} can do on {asked.day}: wattledger desk envelope"
        raise Refused("envelope_missing", wrong, place="unit")
    found: UnitEnvelope = version.document
    return found


def _forecast(
    connection: Connection, position: int, asked: Asked, market: Market, product: Product
) -> tuple[str, Forecast]:
    """The newest forecast of the price that the product is cleared at, which covers the day."""
    start = market.start_of(asked.day)
    end = start + timedelta(seconds=product.interval_s * market.intervals(product, asked.day))
    points = points_of_unit(connection, position, asked.unit, asked.market, start)
    wanted = {subject_at(point, product).name for point in points}
    anywhere = (asked.market, price_kind(product))
    found: list[tuple[str, Forecast]] = []
    for versions in registered.load(connection, "forecast", Forecast, position).versions.values():
        last = versions[-1].document
        parts = last.subject.name.split(":")
        here = last.subject.name in wanted if points else (parts[0], parts[-1]) == anywhere
        if last.subject.quantity == "price" and here and last.start <= start and end <= last.end:
            found.append((f"{last.subject.id}, version {versions[-1].version}", last))
    if not found:
        named = sorted(wanted) or [f"{asked.market}:NODE:{price_kind(product)}"]
        commands = [forecast_command(connection, position, name, start, end) for name in named]
        wrong = f"no forecast of its price covers the day: {', or '.join(commands)}"
        raise Refused("forecast_missing", wrong, place="day")
    if len(found) > 1:
        nodes = ", ".join(name for name, _ in found)
        raise Refused("forecast_choice", f"several cover the day: {nodes}", place="forecast")
    return found[0]


def _prices(name: str, forecast: Forecast, market: Market, product: Product, day: date) -> PriceRange:
    """By the product's intervals what is expected, and the quantiles nearest to 5 and 95 %.

    Raises:
        Refused: `currency`; `forecast_missing` for a forecast without a quantile of 10 % or less and one of
            90 % or more; `price_interval` for one whose intervals do not fit the product's.
    """
    if forecast.currency != market.currency:
        wrong = f"{name} is in {forecast.currency}, {market.id} trades in {market.currency}"
        raise Refused("currency", wrong, place="forecast")
    rows = {row.level_permille: row.values for row in forecast.quantiles}
    below = [level for level in rows if level <= _LOW_PERMILLE_MAX]
    above = [level for level in rows if level >= _HIGH_PERMILLE_MIN]
    if not below or not above:
        told = ", ".join(f"{level / 10:g} %" for level in rows) or "none"
        wrong = f"{name} has the quantiles {told}; a curve needs one of 10 % or less and one of 90 % or more"
        raise Refused("forecast_missing", wrong, place="forecast")
    at = _places(name, forecast, market, product, day)

    def by_interval(values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sum(values[one] for one in part) // len(part) for part in at)

    low = by_interval(rows[min(below, key=lambda level: abs(level - LEVELS_PERMILLE[0]))])
    high = by_interval(rows[min(above, key=lambda level: abs(level - LEVELS_PERMILLE[-1]))])
    expected = by_interval(forecast.expected)
    # What is expected was chosen by the money that it captures: it may lie outside quantiles.
    return PriceRange(tuple(map(min, low, expected)), expected, tuple(map(max, high, expected)))


def _places(name: str, forecast: Forecast, market: Market, product: Product, day: date) -> list[range]:
    """Which of the forecast's intervals make up each of the product's on the day; of a longer one, itself."""
    own, wanted = forecast.interval_s, product.interval_s
    since = int((market.start_of(day) - forecast.start).total_seconds())
    if max(own, wanted) % min(own, wanted) or since % min(own, wanted):
        wrong = f"{name} has intervals of {own} s, which do not fit the {wanted} s of {product.id}"
        raise Refused("price_interval", wrong, place="forecast")
    parts = max(1, wanted // own)
    starts = [(since + number * wanted) // own for number in range(market.intervals(product, day))]
    return [range(one, one + parts) for one in starts]


def _schedule(
    envelope: UnitEnvelope, prices_u: tuple[int, ...], product: Product, wear_u: int
) -> tuple[int, ...]:
    """The schedule that earns most at these prices, in whole lots; it ends with what it began with."""
    count, hours = len(prices_u), product.interval_s / _S_PER_HOUR
    room = envelope.ceiling_wh - envelope.floor_wh
    margin = min(_LOTS_LEFT * product.lot_w * product.interval_s // _S_PER_HOUR, room // 4)
    floor, ceiling = (envelope.floor_wh + margin) / _K, (envelope.ceiling_wh - margin) / _K
    if not envelope.charge_w or not envelope.discharge_w or ceiling <= floor:
        return (0,) * count
    start = min(max(envelope.stored_wh / _K, floor), ceiling)
    storage = Storage(
        charge_kw=envelope.charge_w / _K,
        discharge_kw=envelope.discharge_w / _K,
        floor_kwh=floor,
        ceiling_kwh=ceiling,
        start_kwh=start,
        end_kwh=start,
        charge_efficiency=envelope.charge_ppm / PPM,
        discharge_efficiency=envelope.discharge_ppm / PPM,
        availability=np.ones(count),
        reserve_kwh=np.zeros(count),
        wear_price=wear_u / _MICRO,
        ramp_kw=None if envelope.ramp_w_per_min is None else envelope.ramp_w_per_min * 60 * hours / _K,
    )
    found = perfect_foresight(storage, hours, np.array(prices_u, dtype=np.float64) / _MICRO)
    lots = np.abs(found.day_ahead_w) // product.lot_w * product.lot_w * np.sign(found.day_ahead_w)
    return tuple(lots.tolist())
