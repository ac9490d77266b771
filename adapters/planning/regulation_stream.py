"""What regulation pays a unit in a horizon, by what the market posted and told; and which sites may offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from adapters.integrity.registered_rows import Read, check_read
from adapters.planning.portfolio import Horizon, day_of
from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.kept import kept
from adapters.queries.registered import Register
from dispatch.plan_check import Whole
from dispatch.planning.regulation_pay import DAYS, Told, regulation_pay
from ledger.refusal import Refused
from ledger.streams import Rule
from ledger.streams.regulation import RegulationRule
from trading.gate import gate_of
from trading.product import Market, Product

_S_PER_MIN: Final = 60
_WH_PER_KW: Final = 1000
_S_PER_HOUR: Final = 3600
_KINDS: Final = ("regulation_prices", "regulation_award", "regulation_performance", "agc_instructions")
_FACTS_MAX: Final = 20_000
_decode: Final = msgspec.json.Decoder(Told).decode


class RegulationTerms(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`block` says of each interval which block it is in, `price_micro` is 10^-6 of money per kW and block. A
    kW keeps energy for `sustain_s`, and is taken to be called for `call_wh` in a block. `site_w` is the most
    that each site may offer, `least_w` the least that the market takes."""

    block: Whole
    price_micro: Whole
    sustain_s: int
    call_wh: int
    least_w: int
    site_w: dict[str, int]


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """The terms, how their price was found, and what it rests on."""

    terms: RegulationTerms
    says: str
    rests_on: tuple[str, ...]


def open_product(market: Market, day_ahead: Sequence[Product], horizon: Horizon, now: datetime) -> Product:
    """The first of the products, whose gate for the horizon's day is open yet.

    Raises:
        Refused: `unknown_product` without any, `delivery_day` for a day that it is not delivered on,
            `gate_closed`.
    """
    if not day_ahead:
        raise Refused("unknown_product", f"{market.id} trades none of it day-ahead", place="product")
    product = day_ahead[0]
    day = day_of(market.zone, horizon.start)
    if not market.delivers(product, day):
        raise Refused("delivery_day", f"{product.id} is not delivered on {day}", place="day")
    if now >= gate_of(market, product, day, 0).closes:
        wrong = f"the gate of {product.id} for {day} is closed: what was bid is bound, and nothing besides"
        raise Refused("gate_closed", wrong, place="day")
    return product


def regulation_terms(
    connection: Connection,
    position: int,
    market: Market,
    horizon: Horizon,
    capability_w: Mapping[str, int],
    now: datetime,
) -> Paid:
    """What regulation pays in the horizon; `capability_w` are the sites that may offer it.

    How much of an award is called is not known: as much energy as it must sustain, in each block.

    Raises:
        Refused: as `open_product` and `regulation_pay`; `product_direction` for a market that clears up and
            down apart, `market_rule` where no rule says what is paid, `interval` for blocks that are no whole
            intervals.
        Discontinuity: a row is not what was recorded.
    """
    product = open_product(market, _symmetric(market), horizon, now)
    if product.interval_s % horizon.interval_s:
        wrong = f"{product.id} is cleared by {product.interval_s} s, the plan has {horizon.interval_s}"
        raise Refused("interval", wrong, place="regulation")
    rule, name = _rule(connection, position, product, horizon)
    told, facts = _told(connection, position, rule, frozenset(capability_w), now)
    since = int((horizon.start - market.start_of(day_of(market.zone, horizon.start))).total_seconds())
    if since % horizon.interval_s:
        wrong = f"an interval of {horizon.interval_s} s lies in two blocks of {product.id}"
        raise Refused("interval", wrong, place="regulation")
    number = (since + horizon.interval_s * np.arange(horizon.count)) // product.interval_s
    block = np.asarray(number - number[0], dtype=np.int64)
    first = horizon.start - timedelta(seconds=since % product.interval_s)
    starts = [first + timedelta(seconds=product.interval_s * one) for one in range(int(block[-1]) + 1)]
    assert product.settles_as is not None, "the rule is named there"
    of_rule = product.settles_as.product_of(rule, product.id)
    pay = regulation_pay(rule, of_rule, told, starts, product.interval_s)
    most = sum(capability_w.values())
    allowed = most if product.quantity_max_w is None else min(most, product.quantity_max_w)
    sustain_s = product.sustain_min * _S_PER_MIN
    terms = RegulationTerms(
        block=block,
        price_micro=pay.price_micro,
        sustain_s=sustain_s,
        call_wh=sustain_s * _WH_PER_KW // _S_PER_HOUR,
        least_w=product.quantity_min_w,
        site_w={site: power * allowed // most for site, power in capability_w.items()},
    )
    newest = () if not facts else (f"market facts of {rule.id}: {len(facts)}, the newest {facts[-1]}",)
    return Paid(terms=terms, says=f"{pay.says} under {name}", rests_on=(name, *newest))


def _symmetric(market: Market) -> tuple[Product, ...]:
    every = [one for one in market.products if one.kind.startswith("regulation") and one.stage == "day_ahead"]
    both = tuple(one for one in every if one.direction == "both")
    if every and not both:
        wrong = f"{market.id} clears up and down apart, and plans offer both at once"
        raise Refused("product_direction", wrong, place="regulation")
    return both


def _rule(
    connection: Connection, position: int, product: Product, horizon: Horizon
) -> tuple[RegulationRule, str]:
    wanted = None if product.settles_as is None else product.settles_as.rule
    rules: Register[Rule]
    if wanted is not None:
        rules = registered.load(connection, "market_rule", Rule, position, wanted)  # type: ignore[arg-type]
        held = rules.at(wanted, horizon.start)
        if held is not None and isinstance(held.document, RegulationRule):
            check_read(connection, Read(frozenset({f"market_rule.{wanted}"}), frozenset()), position)
            return held.document, f"market_rule.{wanted} v{held.version}"
    wrong = f"what {product.id} pays is stated nowhere: name its rule in settles_as, and publish that"
    raise Refused("market_rule", wrong, place="regulation")


def _told(
    connection: Connection, position: int, rule: RegulationRule, sites: frozenset[str], now: datetime
) -> tuple[list[Told], list[str]]:
    """What was told under the rule of the last days, of the market and of these sites, by id."""
    rows = connection.execute(
        "SELECT id, document::text FROM ledger.registered WHERE kind = 'market_fact'"
        " AND from_seq <= %(position)s AND (to_seq IS NULL OR to_seq > %(position)s)"
        " AND effective_to > %(since)s AND effective_from < %(now)s AND document->>'rule' = %(rule)s"
        " AND document->>'type' = ANY(%(kinds)s)"
        " AND (document->>'site' IS NULL OR document->>'site' = ANY(%(sites)s))"
        " ORDER BY effective_from, id LIMIT %(most)s",
        {
            "position": position, "since": now - timedelta(days=DAYS), "now": now, "rule": rule.id,
            "kinds": list(_KINDS), "sites": sorted(sites), "most": _FACTS_MAX,
        },
    ).fetchall()  # fmt: skip
    names = [name for name, _ in rows]
    check_read(connection, Read(frozenset(f"market_fact.{name}" for name in names), frozenset()), position)
    return [kept(_decode, text, f"table registered, market_fact {name}") for name, text in rows], names
