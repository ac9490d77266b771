"""One payment over a party's open statements: divided on what is open now, and recorded in one save."""

from __future__ import annotations

from datetime import date

from adapters.front_door import FrontDoor, Wish
from adapters.postgres.database import Connection
from adapters.queries.netting import counterparties
from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.spread import Spread, SpreadPayment, spread, spread_aggregate


def pay(
    door: FrontDoor,
    connection: Connection,
    position: int,
    *,
    name: str,
    party: str,
    amount: Money,
    on: date,
    reference: str,
    actor: str,
) -> tuple[Spread, int]:
    """Spread a payment over the party's statements; what was recorded, and the event that recorded it.

    A payment of that name which is recorded already is answered as it is.

    Raises:
        Refused: `exists` for the name of another payment, and what `spread` and `PayBySpread` refuse.
    """
    known = door.state(spread_aggregate(party, name))
    if isinstance(known, Spread):
        if (known.amount, known.on, known.reference) != (amount, on, reference):
            text = f"payment {name} is recorded already: {known.amount} {known.amount.currency} on {known.on}"
            raise Refused("exists", text, place="id")
        divided = known
    else:
        found = counterparties(connection, position, party)
        open_now = [each for one in found if one.currency == amount.currency for each in one.statements]
        divided = spread(open_now, id=name, party=party, on=on, amount=amount, reference=reference)
    command = SpreadPayment(divided)
    command_id = f"spread:{party}:{name}"
    wishes = [Wish(command, command_id), *(Wish(one, command_id) for one in command.payments)]
    return divided, door.execute_all(wishes, actor=actor)[0].sequence
