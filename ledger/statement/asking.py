"""Which of a month's statements to a party is meant when no run is named: the first due that asks for it.

A correction that changes nothing for a party is issued like any other, and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from ledger.quantity import Money
from ledger.refusal import Refused
from ledger.statement.invoice import Direction
from ledger.statement.life import Life, PaymentKind

Asks = Callable[[Life], bool]

_MOVES_OPEN = frozenset({"payment", "write_off"})


def first_asking(lives: Iterable[Life], asks: Asks, otherwise: str = "") -> Life:
    """Of the statements of one contract's month and party, the issued one that asks and is due first.

    The only one that is issued is meant whatever it asks for: what is wrong with it, the command says.
    `otherwise` is what a refusal says besides: what to do where none asks.

    Raises:
        Refused: `unknown_statement` where none is issued; `run_needed` where several are and none asks, with
            the runs and what is open of each.
    """
    issued = sorted((one for one in lives if one.issued_on is not None), key=_due)
    if not issued:
        text = f"no statement of the month is issued to the party{otherwise}"
        raise Refused("unknown_statement", text, place="party")
    if len(issued) == 1:
        return issued[0]
    found = [one for one in issued if asks(one)]
    if not found:
        runs = "; ".join(f"run {one.key.run} has {one.open_amount:,} open" for one in issued)
        text = f"none of its runs asks for that, so name one: {runs}{otherwise}"
        raise Refused("run_needed", text, place="run")
    return found[0]


def first_disputable(lives: Iterable[Life], lines: Sequence[int], today: date) -> Life:
    """Of the same statements, the one on which lines are disputed: the first that may be queried `today` and
    still asks for them, else the first that may be queried and has them, else the first that has them.

    Where no statement has a line of those numbers, the latest is meant: what is wrong, the command says.

    Raises:
        Refused: as `first_asking`.
    """
    issued = [one for one in lives if one.issued_on is not None]
    if issued and not any(set(lines) & one.lines.keys() for one in issued):
        return max(issued, key=_due)
    preferred: tuple[Asks, ...] = (
        lambda life: (
            _queryable(life, today) and life.item.asks and _sum_of(life, lines) * life.open_amount.minor > 0
        ),
        lambda life: _queryable(life, today) and bool(_sum_of(life, lines)),
    )
    for asks in preferred:
        if any(asks(one) for one in issued):
            return first_asking(issued, asks)
    return first_asking(issued, lambda life: bool(_sum_of(life, lines)))


def _sum_of(life: Life, lines: Sequence[int]) -> int:
    return sum(life.lines[line].minor for line in lines if line in life.lines)


def _queryable(life: Life, today: date) -> bool:
    return life.status == "issued" and life.query_until is not None and today <= life.query_until


def _due(life: Life) -> tuple[date, int]:
    return life.due_on or date.max, life.key.run


def asks_to_pay(kind: PaymentKind, amount: Callable[[Life], Money]) -> Asks:
    """Whether money is open in the direction of a payment or write-off; charges and interest are beside it,
    and fit any that is open. `amount` is read in the statement's currency."""
    return lambda life: (
        life.open_amount.minor * amount(life).minor > 0
        if kind in _MOVES_OPEN
        else bool(life.open_amount.minor)
    )


def asks_for_invoice(direction: Direction, net: Callable[[Life], Money]) -> Asks:
    """Whether something is still to be invoiced that way, or below zero to be taken back."""
    return lambda life: life.to_invoice(direction).minor * net(life).minor > 0


def taking_in_advance(lives: Iterable[Life], amount: Money) -> Life | None:
    """Where money for which nothing is due can stand: the last issued statement, by its due day, whose due
    has the payment's direction, or that has nothing due; None without one."""
    own = [
        one
        for one in lives
        if one.issued_on is not None
        and one.amount.currency == amount.currency
        and (one.settled + amount).minor * one.due.minor >= 0
    ]
    return max(own, key=_due, default=None)


def meant_otherwise(party: str, amount: Money, open_amounts: Iterable[Money]) -> str:
    """Where nothing is open in a payment's direction and something in the other one: what its sign means, and
    whether the other was meant; empty where that fits nothing. `open_amounts` are above zero to the party.

    >>> meant_otherwise("host", Money(1000000, "CNY"), [Money(-1250000, "CNY")])
    'above zero means that we paid it; what host paid us is below zero: did you mean -10000.00? '
    """
    if not any(one.currency == amount.currency and one.minor * amount.minor < 0 for one in open_amounts):
        return ""
    if amount.minor > 0:
        sides = f"above zero means that we paid it; what {party} paid us is below zero"
    else:
        sides = f"below zero means that {party} paid it; what we paid is above zero"
    return f"{sides}: did you mean {-amount}? "


def gives_credit(life: Life) -> bool:
    """Whether more was paid than it asks for."""
    return life.item.is_advance


def takes_credit(life: Life) -> bool:
    """Whether it still asks for what it asked for."""
    return life.item.asks
