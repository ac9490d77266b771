"""The participants' side of the market over HTTP: offers, results and the calendar."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final, cast

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter

from adapters.http.openapi import reference, takes
from adapters.reference_market.access import Tokens
from adapters.reference_market.day_result import ParticipantResult, sha256, told
from adapters.reference_market.faults import Faults, cut_intervals, spoilt_file
from adapters.reference_market.market import Market
from adapters.reference_market.offer import Offer, offer_of
from adapters.reference_market.offer_book import Place, Receipt
from adapters.reference_market.parameters import Product
from adapters.reference_market.problem import PROBLEMS
from adapters.reference_market.trading_day import Gate, starts
from adapters.reference_market.wire import LOSE
from ledger.interval import Instant

_JSON: Final = "application/json"

Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        pattern="^[!-~]{1,128}$",
        description="The same request again, with the same key, has the first answer, after the gate too.",
    ),
]
Revision = Annotated[int, QueryParameter(ge=1, le=2**31, description="Above the revision that is held")]
Run = Annotated[int | None, QueryParameter(ge=1, description="The newest when left out")]


class HeldOffer(msgspec.Struct, frozen=True):
    """What the market holds now; the offer is none when it was withdrawn."""

    receipt: Receipt
    offer: Offer | None


class DigestedResult(msgspec.Struct, frozen=True):
    """`digest` is the SHA-256, in hexadecimal, of the bytes of `result` as they stand in this body."""

    digest: str
    result: ParticipantResult


class _Digested(msgspec.Struct, frozen=True):
    digest: str
    result: msgspec.Raw


class Calendar(msgspec.Struct, frozen=True):
    """The gates and publications of one day of delivery, and what makes an offer one of this market."""

    market: str
    node: str
    currency: str
    zone: str
    interval_s: int
    lot_w: int
    price_min_micro_per_kwh: int
    price_max_micro_per_kwh: int
    segments_max: int
    charge_w_max: int
    discharge_w_max: int
    day: date
    starts: tuple[Instant, ...]
    gates: dict[Product, Gate]
    market_time: Instant


@put(
    "/participants/{participant:str}/offers/{product:str}/{day:str}",
    summary="Offer, or replace the offer by a later revision, before the gate closes",
    operation_class=takes({_JSON: reference(Offer)}),
    responses=PROBLEMS,
    tags=["Offers"],
)
async def put_offer(
    request: Request[Any, Any, Any],
    market: NamedDependency[Market],
    tokens: NamedDependency[Tokens],
    faults: NamedDependency[Faults],
    participant: FromPath[str],
    product: FromPath[Product],
    day: FromPath[date],
    key: Key,
) -> Response[Receipt]:
    tokens.check_participant(request, participant)
    body = await request.body()
    place = Place(participant, product, day)
    return _answered(market.put_offer(place, key, sha256(body), offer_of(body)), faults)


@delete(
    "/participants/{participant:str}/offers/{product:str}/{day:str}",
    summary="Withdraw the offer before the gate closes",
    status_code=200,
    responses=PROBLEMS,
    tags=["Offers"],
    sync_to_thread=False,
)
def withdraw_offer(
    request: Request[Any, Any, Any],
    market: NamedDependency[Market],
    tokens: NamedDependency[Tokens],
    faults: NamedDependency[Faults],
    participant: FromPath[str],
    product: FromPath[Product],
    day: FromPath[date],
    key: Key,
    revision: Revision,
) -> Response[Receipt]:
    tokens.check_participant(request, participant)
    return _answered(market.withdraw(Place(participant, product, day), key, revision), faults)


@get(
    "/participants/{participant:str}/offers/{product:str}/{day:str}",
    summary="What the market holds: to be asked when no answer to an offer arrived",
    responses=PROBLEMS,
    tags=["Offers"],
    sync_to_thread=False,
)
def show_offer(
    request: Request[Any, Any, Any],
    market: NamedDependency[Market],
    tokens: NamedDependency[Tokens],
    participant: FromPath[str],
    product: FromPath[Product],
    day: FromPath[date],
) -> HeldOffer:
    tokens.check_participant(request, participant)
    return HeldOffer(*market.offer(Place(participant, product, day)))


@get(
    "/results/{product:str}/{day:str}",
    summary="The caller's result of a day: prices, awards, run and digest",
    responses=PROBLEMS,
    tags=["Results"],
    sync_to_thread=False,
)
def show_result(
    request: Request[Any, Any, Any],
    market: NamedDependency[Market],
    tokens: NamedDependency[Tokens],
    faults: NamedDependency[Faults],
    product: FromPath[Product],
    day: FromPath[date],
    run: Run = None,
) -> Response[DigestedResult]:
    participant = tokens.participant(request)
    found = market.result(product, day, run)
    spoiling = faults.spoiling(product, day)
    result = told(found, participant, market.parameters, starts(market.parameters, day))
    if spoiling == "cut_intervals":
        result = cut_intervals(result)
    content = msgspec.json.encode(result)
    _, digest = spoilt_file(content, sha256(content), spoiling)
    body = msgspec.json.encode(_Digested(digest, msgspec.Raw(content)))
    body = body[: len(body) // 2] if spoiling == "cut_bytes" else body
    return Response(cast("DigestedResult", body), media_type=_JSON)


@get(
    "/calendar/{day:str}",
    summary="When the gates of a day open and close and its results are due",
    responses=PROBLEMS,
    tags=["Calendar"],
    sync_to_thread=False,
)
def show_calendar(
    request: Request[Any, Any, Any],
    market: NamedDependency[Market],
    tokens: NamedDependency[Tokens],
    day: FromPath[date],
) -> Calendar:
    participant = market.parameters.participants[tokens.participant(request)]
    rules = market.parameters
    return Calendar(
        rules.market,
        rules.node,
        rules.currency,
        rules.zone,
        rules.interval_s,
        rules.lot_w,
        rules.price_min_micro_per_kwh,
        rules.price_max_micro_per_kwh,
        rules.segments_max,
        participant.charge_w_max,
        participant.discharge_w_max,
        day,
        starts(rules, day),
        {"day_ahead": market.gate("day_ahead", day), "real_time": market.gate("real_time", day)},
        market.clock.now(),
    )


def _answered(receipt: Receipt, faults: Faults) -> Response[Receipt]:
    return Response(receipt, headers={LOSE: "1"} if faults.lose_answer() else None)


ROUTES: Final = (put_offer, withdraw_offer, show_offer, show_result, show_calendar)
