"""Netting with a counterparty: what is open now is set off, statements and agreement in one save."""

from __future__ import annotations

from datetime import date

from adapters.front_door import FrontDoor, Wish
from adapters.postgres.database import Connection
from adapters.queries.netting import counterparties
from ledger.netting import Netting, Nettings, RecordNetting
from ledger.quantity import Money
from ledger.refusal import Refused


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
) -> tuple[Netting, int]:
    """Set off all that is open with the party in a currency; the netting, and the event that recorded it.

    A netting of that name which is recorded already is answered as it is.

    Raises:
        Refused: `nothing_to_net`, `exists` for the name of another netting, and what `RecordNetting` refuses.
    """
    held = door.state(f"netting.{party}")
    known = held.nettings if isinstance(held, Nettings) else ()
    before = next((one for one in known if one.id == name), None)
    if before is not None and before.amount.currency != currency:
        raise Refused("exists", f"netting {name} is recorded already, in another currency", place="id")
    netting = before or _netting(connection, position, name, party, currency, on)
    command = RecordNetting(netting)
    command_id = f"netting:{party}:{name}"
    wishes = [Wish(command, command_id), *(Wish(one, command_id) for one in command.payments)]
    return netting, door.execute_all(wishes, actor=actor)[0].sequence


def _netting(
    connection: Connection, position: int, name: str, party: str, currency: str, on: date
) -> Netting:
    found = (one for one in counterparties(connection, position, party) if one.currency == currency)
    open_now = next(found, None)
    parts = () if open_now is None else open_now.set_off()
    if not parts:
        text = f"owner and {party} do not both owe each other something in {currency}"
        raise Refused("nothing_to_net", text, place="party")
    amount = sum((part.amount for part in parts if part.amount.minor > 0), Money.zero(currency))
    return Netting(id=name, party=party, on=on, amount=amount, parts=parts)
