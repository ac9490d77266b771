"""How what a dispute freezes follows from its lines, in words."""

from __future__ import annotations

from ledger.clauses.flow import grouped
from ledger.quantity import Money
from ledger.statement.life import Dispute, Life


def held_back(life: Life, one: Dispute) -> str:
    """What a dispute freezes of its statement, and why it is so much: above zero to the party.

    Money that the party holds itself, such as the saving on its bill, stands on the statement as what it
    pays: a dispute of that line holds back what the party is to pay, at most all of it.
    """
    about, payable = one.amount, life.amount
    count = "lines count" if len(one.lines) > 1 else "line counts"
    counts = f"the {count} {_shown(about)} in the {_shown(payable)} {payable.currency} payable"
    frozen = life.frozen_amount - life.without(one.id).frozen_amount
    if not about.minor:
        return f"{counts}: nothing of it can be frozen"
    if frozen == about:
        return f"{counts}: all of it is frozen{_with_tax(life, one, frozen)}{_paid(life, one)}"
    if frozen.minor:
        most = f"at most what is payable and not held already is frozen, {_shown(frozen)}"
        return f"{counts}: {most}{_with_tax(life, one, frozen)}{_paid(life, one)}"
    if about.minor * payable.minor > 0:
        return f"{counts}: other disputes hold all of it already"
    return f"{counts}: it lessens that, and nothing more is frozen"


def _with_tax(life: Life, one: Dispute, frozen: Money) -> str:
    whole = life.disputed_by(one.id)
    return "" if whole == frozen else f", with its tax {_shown(whole)}"


def _paid(life: Life, one: Dispute) -> str:
    paid = life.paid_disputed - life.without(one.id).paid_disputed
    return f"; {_shown(paid)} of it is paid, and stays with the dispute until it ends" if paid.minor else ""


def _shown(money: Money) -> str:
    return grouped(str(money))
