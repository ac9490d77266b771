"""What waits for a second person: list it, look at it, approve it or turn it down."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from adapters import approving
from adapters.http.intake import Intake, Stored, replayable, stored
from adapters.http.paging import LIMIT, Cursor, Limit, cursor_of
from adapters.http.problem import READ_PROBLEMS, WRITE_PROBLEMS
from adapters.http.register import Name
from adapters.http.view import View
from adapters.personal.people import People
from adapters.queries import proposals
from adapters.queries.proposals import ListedProposal
from ledger.approval import REASON_MAX, Status
from ledger.refusal import Refused


class ProposalPage(msgspec.Struct, frozen=True):
    position: int
    items: tuple[ListedProposal, ...]
    next_cursor: str | None


class ProposalAnswer(msgspec.Struct, frozen=True):
    """The proposal, and the command that takes effect when it is approved."""

    position: int
    proposal: ListedProposal
    command: dict[str, Any]


class Rejection(msgspec.Struct, frozen=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=REASON_MAX)]


@get(
    "/proposals",
    summary="What was prepared for a second person's approval",
    responses=READ_PROBLEMS,
    tags=["Approval"],
    sync_to_thread=True,
)
def list_proposals(
    view: NamedDependency[View],
    status: Annotated[Status | None, QueryParameter()] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> ProposalPage:
    with view.page(cursor, str, "") as (connection, position, after):
        found = proposals.page(connection, position, status=status, after=after, limit=limit + 1)
    more = cursor_of(position, found[limit - 1].id) if len(found) > limit else None
    return ProposalPage(position, tuple(found[:limit]), more)


@get(
    "/proposals/{name:str}",
    summary="A proposal with all that it would change",
    responses=READ_PROBLEMS,
    tags=["Approval"],
    sync_to_thread=True,
)
def show_proposal(view: NamedDependency[View], name: Name) -> ProposalAnswer:
    with view.reading() as (connection, position):
        found = proposals.one(connection, position, name)
    if found is None:
        raise Refused("unknown_proposal", f"no proposal {name!r} is registered", place="name")
    return ProposalAnswer(position, found.proposal, found.command)


@post(
    "/proposals/{name:str}/approve",
    summary="Approve what another person prepared; it takes effect at once",
    responses=WRITE_PROBLEMS,
    tags=["Approval"],
    sync_to_thread=True,
)
def approve_proposal(
    intake: NamedDependency[Intake], people: NamedDependency[People], name: Name
) -> Response[Stored]:
    receipt = approving.approve(intake.service.door, name, command_id=intake.command_id, actor=intake.actor)
    people.after_approval(name)
    return replayable(stored(receipt), repeated=receipt.repeated)


@post(
    "/proposals/{name:str}/reject",
    summary="Turn a proposal down; its preparer withdraws it the same way",
    responses=WRITE_PROBLEMS,
    tags=["Approval"],
    sync_to_thread=True,
)
def reject_proposal(
    intake: NamedDependency[Intake], name: Name, data: JSONBody[Rejection]
) -> Response[Stored]:
    receipt = approving.reject(
        intake.service.door, name, data.reason, command_id=intake.command_id, actor=intake.actor
    )
    return replayable(stored(receipt), repeated=receipt.repeated)


ROUTES = (list_proposals, show_proposal, approve_proposal, reject_proposal)
