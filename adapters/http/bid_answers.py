"""What a person does with a bid at the market's own screen, or has seen there, where no gateway can."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from adapters.http.bids import BidStored, Reason, Revision, Submission, desk_with, stored
from adapters.http.intake import Intake
from adapters.http.problem import WRITE_PROBLEMS
from adapters.http.register import Name


class MarketSaid(msgspec.Struct, frozen=True):
    """What the market says of a revision."""

    revision: Revision
    reason: Reason


@post(
    "/bids/{name:str}/send",
    summary="Put on record that a person sends a submitted bid by hand now",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def send_bid(intake: NamedDependency[Intake], name: Name, data: JSONBody[Submission]) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.send(name, data.revision, command_id=intake.command_id, actor=intake.actor)
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/refuse",
    summary="Say that the market did not take a bid: what it bound is free",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def refuse_bid(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[MarketSaid]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.refuse(
        name, data.revision, data.reason, command_id=intake.command_id, actor=intake.actor, by_hand=True
    )
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/unsent",
    summary="Say that the market does not have a bid that was to be sent",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def note_unsent(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[MarketSaid]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.note_unsent(
        name, data.revision, data.reason, command_id=intake.command_id, actor=intake.actor
    )
    return stored(desk, name, receipt)


@post(
    "/bids/{name:str}/withdrawn",
    summary="Say that the market gave back a bid that was asked for",
    responses=WRITE_PROBLEMS,
    tags=["Trading desk"],
    sync_to_thread=True,
)
def note_withdrawn(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[MarketSaid]
) -> Response[BidStored]:
    desk = desk_with(intake, name)
    receipt = desk.withdraw(
        name, data.revision, data.reason, command_id=intake.command_id, actor=intake.actor, by_hand=True
    )
    return stored(desk, name, receipt)


ROUTES: Final = (send_bid, refuse_bid, note_unsent, note_withdrawn)
