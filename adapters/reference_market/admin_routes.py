"""The administrator's side of the market over HTTP: its clock, its corrections and its faults."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

import msgspec
from litestar import get, post, put
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from adapters.reference_market.access import Tokens
from adapters.reference_market.day_result import DayResult
from adapters.reference_market.faults import Faults, LostAnswers, Outage, SpoiltResult
from adapters.reference_market.market import Market
from adapters.reference_market.parameters import Product
from adapters.reference_market.problem import PROBLEMS
from ledger.interval import Instant


class ClockTime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    now: Instant


class Delay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Publish a result no earlier than `until`."""

    product: Product
    day: date
    until: Instant


class CorrectedPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    start: Instant
    price_micro_per_kwh: int


class CorrectedAward(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    participant: str
    start: Instant
    award_w: int


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A further run with these prices and awards, the rest as before."""

    product: Product
    day: date
    prices: tuple[CorrectedPrice, ...] = ()
    awards: tuple[CorrectedAward, ...] = ()


class Republication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same prices and awards again: as a further run, or as the same run delivered once more."""

    product: Product
    day: date
    new_run: bool


@get("/admin/clock", summary="What time it is in the market", responses=PROBLEMS, sync_to_thread=False)
def show_clock(market: NamedDependency[Market]) -> ClockTime:
    return ClockTime(market.clock.now())


@put("/admin/clock", summary="Step the clock on", responses=PROBLEMS, sync_to_thread=False)
def set_clock(market: NamedDependency[Market], data: JSONBody[ClockTime]) -> ClockTime:
    market.set_clock(data.now)
    return ClockTime(market.clock.now())


@put("/admin/faults/outage", summary="Be out of reach", responses=PROBLEMS, sync_to_thread=False)
def set_outage(faults: NamedDependency[Faults], data: JSONBody[Outage]) -> Outage:
    faults.set_outage(data)
    return data


@put(
    "/admin/faults/lost-answers",
    summary="Accept, and lose the answer",
    responses=PROBLEMS,
    sync_to_thread=False,
)
def set_lost_answers(faults: NamedDependency[Faults], data: JSONBody[LostAnswers]) -> LostAnswers:
    faults.set_lost_answers(data)
    return data


@put("/admin/faults/spoilt-results", summary="Spoil a result", responses=PROBLEMS, sync_to_thread=False)
def set_spoilt_result(
    market: NamedDependency[Market], faults: NamedDependency[Faults], data: JSONBody[SpoiltResult]
) -> SpoiltResult:
    market.gate(data.product, data.day)
    faults.set_spoilt(data)
    return data


@put("/admin/faults/late-publication", summary="Publish late", responses=PROBLEMS, sync_to_thread=False)
def set_delay(market: NamedDependency[Market], data: JSONBody[Delay]) -> Delay:
    market.delay(data.product, data.day, data.until)
    return data


@post("/admin/corrections", summary="Publish a corrected run", responses=PROBLEMS, sync_to_thread=False)
def correct(market: NamedDependency[Market], data: JSONBody[Correction]) -> DayResult:
    awards: dict[str, dict[datetime, int]] = {}
    for award in data.awards:
        awards.setdefault(award.participant, {})[award.start] = award.award_w
    prices = {price.start: price.price_micro_per_kwh for price in data.prices}
    return market.correct(data.product, data.day, prices, awards)


@post("/admin/republications", summary="Publish the same once more", responses=PROBLEMS, sync_to_thread=False)
def republish(market: NamedDependency[Market], data: JSONBody[Republication]) -> DayResult:
    if data.new_run:
        return market.republish(data.product, data.day)
    return market.deliver_again(data.product, data.day)


@get(
    "/admin/results/{product:str}/{day:str}",
    summary="A result of all participants",
    responses=PROBLEMS,
    sync_to_thread=False,
)
def show_whole_result(
    market: NamedDependency[Market], product: FromPath[Product], day: FromPath[date]
) -> DayResult:
    return market.result(product, day)


def administrators_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let a request through that has the administrator's token."""
    tokens: Tokens = connection.app.state.tokens
    tokens.check_admin(connection)


ROUTES: Final = (
    show_clock,
    set_clock,
    set_outage,
    set_lost_answers,
    set_spoilt_result,
    set_delay,
    correct,
    republish,
    show_whole_result,
)
