"""Bids: written, approved, submitted and taken back by the desk; what has become of each."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import JSONBody, QueryParameter, RawBody

from adapters.decoder_refusal import decoder_refusal
from adapters.desk.bid_csv import price_text
from adapters.desk.checking import CheckedBid, checked_bid
from adapters.desk.desk import Desk
from adapters.desk.receipt import signed_receipt
from adapters.front_door import NotGiven, Receipt, Wish
from adapters.http.caller import Caller, check_asked
from adapters.http.intake import IdempotencyKey, Intake, replayable
from adapters.http.openapi import reference, takes
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS, BadRequest, Unauthenticated
from adapters.http.register import ID_PATTERN, Name
from adapters.http.service import Service
from adapters.http.view import View
from adapters.queries import bids
from adapters.queries.bids import BidFilter, FoundBid
from adapters.queries.market_gates import rules_of
from adapters.transparency.published_log import PublishedLog
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.bid import Bid, PackedBid, packed, packed_by_text
from trading.bid_commands import DraftBid
from trading.bid_life import Standing, Status
from trading.market_answer import AcknowledgeBid
from trading.product import PriceUnit

_JSON: Final = "application/json"

Revision = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]


class BidDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bid, and the revision that it is written upon: 0 for a new bid."""

    bid: Bid
    revision: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class _PackedDraft(BidDraft, frozen=True, forbid_unknown_fields=True):
    bid: PackedBid


_decode_packed: Final = msgspec.json.Decoder(_PackedDraft).decode
_DRAFT: Final = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "bid": reference(Bid),
        "revision": Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=2**31),
    },
    required=["bid"],
    additional_properties=False,
)
"""`BidDraft` as it is described: it is read by our own decoder, so that no handler's signature has it."""


class BidStored(msgspec.Struct, frozen=True):
    """Where the fact is, and how the bid stands after it."""

    bid: str
    revision: int
    digest: str
    status: Status
    aggregate: str
    version: int
    sequence: int


class Approval(msgspec.Struct, frozen=True):
    """`digest` says what was read."""

    revision: Revision
    digest: Sha256


class Submission(msgspec.Struct, frozen=True):
    revision: Revision


class Withdrawal(msgspec.Struct, frozen=True):
    reason: Reason


class Override(msgspec.Struct, frozen=True):
    """A limit that this revision may exceed, and why."""

    revision: Revision
    limit: Id
    reason: Reason


class Acknowledgement(msgspec.Struct, frozen=True):
    """The market's own reference, where a person has seen that it has the bid."""

    revision: Revision
    reference: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class StandingBody(msgspec.Struct, frozen=True):
    """What was submitted last; `awarded_w` has one power an interval once it is cleared."""

    revision: int
    digest: str
    status: str
    submitted_by: str
    submitted_at: Instant
    gate_opens: Instant
    gate_closes: Instant
    reference: str
    reason: str
    clearing: str
    awarded_w: tuple[int, ...]
    replaces: int | None

    @classmethod
    def of(cls, one: Standing) -> StandingBody:
        return cls(
            one.draft.revision,
            one.draft.digest,
            one.status,
            one.by,
            one.at,
            one.gate_opens,
            one.gate_closes,
            one.reference,
            one.reason,
            one.clearing,
            one.awarded_w,
            None if one.behind is None else one.behind.draft.revision,
        )


class BidSummary(msgspec.Struct, frozen=True):
    id: str
    sequence: int
    status: Status
    revision: int
    digest: str
    market: str
    product: str
    unit: str
    day: date
    author: str
    approvals: tuple[str, ...]
    standing: StandingBody | None

    @classmethod
    def of(cls, found: FoundBid) -> BidSummary:
        draft, standing = found.state.draft, found.state.standing
        return cls(
            found.id,
            found.sequence,
            found.state.status,
            draft.revision,
            draft.digest,
            draft.bid.market,
            draft.bid.product,
            draft.bid.unit,
            draft.bid.day,
            draft.by,
            draft.approvals,
            None if standing is None else StandingBody.of(standing),
        )


class BidPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[BidSummary, ...]
    next_cursor: str | None


class BidBody(msgspec.Struct, frozen=True):
    """The newest revision as it was written, and what stands at the market.

    `prices` are those of the segments of `bid.curves`, as decimals in `currency` per `price_unit`.
    """

    position: int
    summary: BidSummary
    bid: Bid
    currency: str
    price_unit: PriceUnit
    prices: tuple[tuple[str, ...], ...]
    overridden: tuple[str, ...]


class ReceiptBody(msgspec.Struct, frozen=True):
    """`receipt` is a signed note (C2SP) of the book's log key; `sequence` is its event.

    That the event is in the log, `/v1/log/proofs/inclusion` proves.
    """

    position: int
    sequence: int
    receipt: str


def decoded_draft(body: bytes) -> BidDraft:
    """The body of a bid, read once: a day of ten segments each has thousands of numbers.

    Raises:
        BadRequest: `json`.
        Refused: `field_missing`, `field_unknown`, `field_type`, `not_allowed`, `control_character`.
    """
    try:
        draft = msgspec.json.decode(body, type=BidDraft)
    except msgspec.ValidationError as error:
        raise decoder_refusal(error, BidDraft) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("json", f"not valid JSON: {error}") from None
    if _has_control(draft.bid.note):
        raise Refused("control_character", "a note is one line of text", place="bid.note")
    return draft


def _packed_draft(body: bytes) -> tuple[Bid, int]:
    """As `decoded_draft`, its segments forgotten as soon as they were read, or never made."""
    if (lean := _by_text(body)) is not None:
        return lean
    draft = decoded_draft(body)
    return packed(draft.bid), draft.revision


def _by_text(body: bytes) -> tuple[Bid, int] | None:
    """None for what has to be read in full, which says what is wrong with it."""
    try:
        draft = _decode_packed(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    bid = packed_by_text(draft.bid)
    if bid is None or _has_control(bid.note):
        return None
    return bid, draft.revision


def _has_control(text: str) -> bool:
    return any(ord(letter) < ord(" ") for letter in text)


@post(
    "/bids",
    summary="Write a bid, or its next revision",
    responses=WRITE_PROBLEMS,
    operation_class=takes({_JSON: _DRAFT}),
    tags=["Trading desk"],
)
async def draft_bid(
    request: Request[Caller, Any, Any], body: RawBody, idempotency_key: IdempotencyKey
) -> Response[BidStored]:
    service: Service = request.app.state.service
    caller = request.user
    try:
        bid, revision = _packed_draft(body)
    except Refused:
        await check_asked(service, caller)
        raise
    intake = Intake(service, caller, idempotency_key)
    wishes = [Wish(DraftBid(bid, intake.actor, revision), intake.command_id)]
    try:
        (receipt,) = await service.awaited.execute_all(wishes, actor=intake.actor, given=caller.given)
    except NotGiven:
        raise Unauthenticated from None
    if receipt.repeated:
        return await asyncio.to_thread(stored, desk_of(service), bid.id, receipt)
    written = BidStored(
        bid.id,
        revision + 1,
        bid.digest,
        "draft",
        receipt.aggregate,
        receipt.version,
        receipt.sequence,
    )
    return replayable(written, repeated=False)


@post(
    "/bids/check",
    summary="Say whether a bid would be accepted now, and what it would use; nothing is stored",
    status_code=200,
    responses=READ_PROBLEMS,
    operation_class=takes({_JSON: _DRAFT}),
    tags=["Trading desk"],
    sync_to_thread=True,
)
def check_bid(view: NamedDependency[View], body: RawBody) -> CheckedBid:
    service = view.service
    return checked_bid(desk_of(service), decoded_draft(body).bid, view.caller.actor, service.clock())


@get(
    "/bids",
    summary="Bids by id, each with its newest revision and what stands at the market",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def list_bids(
    view: NamedDependency[View],
    market: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    product: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    unit: Annotated[str | None, QueryParameter(pattern=ID_PATTERN)] = None,
    first_day: Annotated[date | None, QueryParameter(description="From this delivery day on")] = None,
    last_day: Annotated[date | None, QueryParameter(description="Up to this delivery day")] = None,
    status: Annotated[Status | None, QueryParameter(description="Of the newest revision")] = None,
    live: Annotated[bool | None, QueryParameter(description="Whether it may still be awarded")] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> BidPage:
    wanted = BidFilter(
        market=market,
        product=product,
        unit=unit,
        first_day=first_day,
        last_day=last_day,
        status=status,
        live=live,
    )
    with view.page(cursor, str, "") as (connection, position, after):
        found = bids.bids(connection, position, wanted, after=after, limit=limit + 1)
    more = cursor_of(position, found[limit - 1].id) if len(found) > limit else None
    return BidPage(position, tuple(BidSummary.of(one) for one in found[:limit]), more)


@get(
    "/bids/{name:str}",
    summary="A bid: its newest revision, and what stands at the market",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_bid(view: NamedDependency[View], name: Name) -> BidBody:
    with view.reading() as (connection, position):
        found = bids.bid(connection, position, name)
        draft = found.state.draft
        market, product = rules_of(connection, position, draft)
    prices = tuple(tuple(price_text(product, price) for _, _, price in curve) for curve in draft.bid.curves)
    return BidBody(
        position,
        BidSummary.of(found),
        draft.bid,
        market.currency,
        product.price_unit,
        prices,
        draft.overridden,
    )


@get(
    "/bids/{name:str}/receipt",
    summary="The desk's signed word that the bid was submitted in time",
    responses=READ_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def show_receipt(
    view: NamedDependency[View], published: NamedDependency[PublishedLog], name: Name
) -> ReceiptBody:
    with view.reading() as (connection, position):
        sequence, note = signed_receipt(connection, published, name, position)
    return ReceiptBody(position, sequence, note)


@post(
    "/bids/{name:str}/approve",
    summary="Approve a revision that somebody else wrote",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def approve_bid(intake: NamedDependency[Intake], name: Name, data: JSONBody[Approval]) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.approve(name, data.revision, data.digest, command_id=intake.command_id, actor=intake.actor)
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/submit",
    summary="Submit a revision: its power is bound, and the gateway may send it",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def submit_bid(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Submission]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.submit(name, data.revision, command_id=intake.command_id, actor=intake.actor)
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/withdraw",
    summary="Ask the market to give a submitted bid back, while its gate is open",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def withdraw_bid(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Withdrawal]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.ask_withdrawal(name, data.reason, command_id=intake.command_id, actor=intake.actor)
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/override",
    summary="Let a revision exceed a limit, as a second person",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def override_limit(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Override]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.override(
        name, data.revision, data.limit, data.reason, command_id=intake.command_id, actor=intake.actor
    )
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/acknowledge",
    summary="Say that the market has the bid, where no gateway can ask it",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def acknowledge_bid(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Acknowledgement]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    command = AcknowledgeBid(name, data.revision, data.reference)
    receipt = desk.acknowledge(command, command_id=intake.command_id, actor=intake.actor)
    return stored(desk, name, receipt)


def desk_of(service: Service) -> Desk:
    """The book's desk."""
    return Desk(service.door, service.database)


def desk_with(intake: Intake, name: str) -> Desk:
    """The book's desk, once it has a bid of that name.

    Raises:
        Refused: `unknown_bid`.
    """
    if intake.service.door.state(f"bid.{name}") is None:
        raise Refused("unknown_bid", f"no bid {name!r} is known", place="name")
    return desk_of(intake.service)


def stored(desk: Desk, name: str, receipt: Receipt) -> Response[BidStored]:
    """The answer to a command about a bid."""
    state = desk.state(name)
    answer = BidStored(
        name,
        state.draft.revision,
        state.draft.digest,
        state.status,
        receipt.aggregate,
        receipt.version,
        receipt.sequence,
    )
    return replayable(answer, repeated=receipt.repeated)


ROUTES: Final[tuple[Any, ...]] = (
    draft_bid,
    check_bid,
    list_bids,
    show_bid,
    show_receipt,
    approve_bid,
    submit_bid,
    withdraw_bid,
    override_limit,
    acknowledge_bid,
)
