"""Netting with a counterparty: what is open now is set off, statements and agreement in one save."""

from __future__ import annotations

from datetime import date

import msgspec

from adapters import approving
from adapters.approving import Submitted
from adapters.front_door import FrontDoor
from adapters.postgres.database import Connection
from adapters.queries.netting import counterparties
from ledger.approval import Proposal
from ledger.netting import Netting, Nettings, RecordNetting
from ledger.quantity import Money
from ledger.refusal import Refused


class Netted(msgspec.Struct, frozen=True):
    """A netting, and where it is: in force, or waiting for a second person."""

    netting: Netting
    submitted: Submitted


def net(
    door: FrontDoor,
    connection: Connection,
    position: int,
    *,
    name: str,
    party: str,
    currency: str,
    on: date,
    actor: str,
) -> Netted:
    """Set off all that is open with the party in a currency, or prepare it in a book of two persons.

    A netting of that name which is recorded already, or waits, is answered as it is.

    Raises:
        Refused: `nothing_to_net`, `exists` for the name of another netting or of one that was turned down,
            and what `RecordNetting` refuses.
    """
    command_id = f"netting:{party}:{name}"
    before = _before(door, command_id, party, name)
    if before is not None and before.amount.currency != currency:
        raise Refused("exists", f"netting {name} is recorded already, in another currency", place="id")
    netting = before or _netting(connection, position, name, party, currency, on)
    return Netted(netting, approving.submit(door, RecordNetting(netting), command_id=command_id, actor=actor))


def _before(door: FrontDoor, command_id: str, party: str, name: str) -> Netting | None:
    """The netting of that name as it was recorded or prepared."""
    held = door.state(f"netting.{party}")
    known = held.nettings if isinstance(held, Nettings) else ()
    recorded = next((one for one in known if one.id == name), None)
    if recorded is not None:
        return recorded
    prepared = door.state(f"proposal.{approving.proposal_name(command_id)}")
    if not isinstance(prepared, Proposal) or not isinstance(prepared.command, RecordNetting):
        return None
    if prepared.status == "rejected":
        text = f"netting {name} was turned down by {prepared.decided_by}: give the next one its own id"
        raise Refused("exists", text, place="id")
    return prepared.command.netting


def _netting(
    connection: Connection, position: int, name: str, party: str, currency: str, on: date
) -> Netting:
    found = (one for one in counterparties(connection, position, party) if one.currency == currency)
    open_now = next(found, None)
    parts = () if open_now is None else open_now.set_off()
    if not parts:
        text = (
            f"owner and {party} do not both owe each other something in {currency}, on statements or paid in"
            " advance"
        )
        raise Refused("nothing_to_net", text, place="party")
    amount = sum((part.amount for part in parts if part.amount.minor > 0), Money.zero(currency))
    return Netting(id=name, party=party, on=on, amount=amount, parts=parts)
