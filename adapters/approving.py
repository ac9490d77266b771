"""What needs a second person: prepared by one, in force once another approves."""

from __future__ import annotations

import hashlib
from typing import cast, get_args

import msgspec

from adapters.front_door import FrontDoor, Receipt, Wish
from ledger import book
from ledger.approval import Approvable, Approve, Proposal, Propose, Reject, together
from ledger.book import Book
from ledger.command import Command, TimedCommand
from ledger.refusal import Refused
from ledger.statement.dispute import DecideDispute


class Submitted(msgspec.Struct, frozen=True):
    """`proposal` names what now waits for a second person; None when the command is in force."""

    receipt: Receipt
    proposal: str | None


def submit(door: FrontDoor, command: Command | TimedCommand, *, command_id: str, actor: str) -> Submitted:
    """Execute the command, or prepare it where the book asks for two persons.

    Raises:
        Refused: what the command is refused for, now already.
    """
    if not needs_approval(door, command):
        wishes = [Wish(one, command_id) for one in together(command)]
        return Submitted(door.execute_all(wishes, actor=actor)[0], None)
    name = proposal_name(command_id)
    proposal = Propose(name, cast("Approvable", command), actor)
    return Submitted(door.execute(proposal, command_id=command_id, actor=actor), name)


def proposal_name(command_id: str) -> str:
    """The proposal that a command of that id waits as."""
    return f"p{hashlib.sha256(command_id.encode()).hexdigest()[:20]}"


def record(door: FrontDoor, command: Command, *, actor: str) -> Submitted:
    """As `submit`, for files that may be read twice: what is in force, or waits, changes nothing.

    Raises:
        Refused: as `submit`.
    """
    known = door.known_or_id(command)
    if isinstance(known, Receipt):
        return Submitted(known, None)
    return submit(door, command, command_id=known, actor=actor)


def needs_approval(door: FrontDoor, command: Command | TimedCommand) -> bool:
    """Whether this book takes the command only with a second person's approval."""
    found = door.state(book.AGGREGATE)
    return (
        isinstance(found, Book)
        and found.approvals == "two_persons"
        and isinstance(command, get_args(Approvable))
    )


def approve(door: FrontDoor, proposal: str, *, command_id: str, actor: str) -> Receipt:
    """Let a proposal take effect; answers where what follows from it is.

    Raises:
        Refused: `unknown_proposal`, `proposal_status`, `four_eyes`, and what the prepared command is refused
            for by now.
    """
    prepared = door.state(f"proposal.{proposal}")
    if not isinstance(prepared, Proposal):
        raise Refused("unknown_proposal", f"no proposal {proposal!r} is registered", place="name")
    if isinstance(prepared.command, DecideDispute):
        prepared.command.check_decider(door.state(prepared.command.aggregate), actor)
    wishes = [Wish(one, command_id) for one in (Approve(proposal, actor), *together(prepared.command))]
    return door.execute_all(wishes, actor=actor, causation=f"proposal.{proposal}")[1]


def reject(door: FrontDoor, proposal: str, reason: str, *, command_id: str, actor: str) -> Receipt:
    """Turn a proposal down.

    Raises:
        Refused: `unknown_proposal`, `proposal_status`, `reason`.
    """
    return door.execute(Reject(proposal, actor, reason), command_id=command_id, actor=actor)
