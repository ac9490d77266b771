"""Credits on account under their ids: recorded once, whoever gives them, by whichever way."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.front_door import FrontDoor, Receipt, Wish
from ledger.refusal import Refused
from ledger.statement.credit import Credit
from ledger.statement.life import Life, Payment, StatementKey


def move(door: FrontDoor, asked: Credit, *, actor: str) -> Receipt:
    """Record a credit on both of its statements; answers where that is on the one that gives it.

    The same again is answered as it was recorded, on whichever day that was.

    Raises:
        Refused: `exists` for an id of another credit; what `GiveCredit` and `UseCredit` refuse.
    """
    lives = [door.state(key.aggregate) for key in (asked.of, asked.to)]
    known = recorded((one for one in lives if isinstance(one, Life)), asked.id)
    if known is not None:
        check_same(known, same=(asked.of, asked.to, asked.amount) == (known.of, known.to, known.amount))
    credit = known or asked
    command_id = f"credit:{credit.of.party}:{credit.id}"
    return door.execute_all([Wish(command, command_id) for command in credit.commands], actor=actor)[0]


def recorded(lives: Iterable[Life], name: str) -> Credit | None:
    """The credit of that id, where both its statements are among the lives of a party."""
    sides: dict[str, tuple[StatementKey, Payment]] = {}
    for life in lives:
        for one in life.payments:
            if one.id == name and one.kind in {"credit_given", "credit_used"}:
                sides[one.kind] = (life.key, one)
    if len(sides) != len({"credit_given", "credit_used"}):
        return None
    of, given = sides["credit_given"]
    to, _ = sides["credit_used"]
    amount = given.amount if given.amount.minor > 0 else -given.amount
    return Credit(id=name, of=of, to=to, on=given.on, amount=amount)


def check_same(known: Credit, *, same: bool) -> None:
    """That what is asked for under a recorded credit's id is that credit.

    Raises:
        Refused: `exists`.
    """
    if same:
        return
    where = f"from {known.of.aggregate} to {known.to.aggregate} on {known.on}"
    text = f"credit {known.id} is recorded already: {known.amount:,} {known.amount.currency} {where}"
    raise Refused("exists", text, place="id")
