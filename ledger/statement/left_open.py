"""What a payment leaves open though its party's money is there, and the commands that settle it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from ledger.netting import OpenStatement
from ledger.quantity import Money
from ledger.statement.life import StatementKey
from ledger.statement.named_payment import NamedPayment


def left_open(
    payment: NamedPayment,
    beyond: Mapping[StatementKey, Money],
    statements: Sequence[OpenStatement],
    *,
    netting_agreed: bool,
) -> tuple[str, ...]:
    """Lines for who recorded it: `beyond` is what of its parts is paid in advance, `statements` what the
    party has open after it. Nothing is settled by it: a credit uses an advance, a netting sets off two sides.
    """
    own = [
        one
        for one in statements
        if one.key.party == payment.party and one.open.currency == payment.amount.currency
    ]
    return (*_advances(payment, beyond, own), *_both_sides(payment, own, netting_agreed=netting_agreed))


def _advances(
    payment: NamedPayment, beyond: Mapping[StatementKey, Money], own: Sequence[OpenStatement]
) -> list[str]:
    asking = sorted(
        (one for one in own if not one.advance and one.open.minor * payment.amount.minor > 0),
        key=lambda one: (one.due_on or date.max, one.key.month, one.key.contract, one.key.run),
    )
    lines: list[str] = []
    for of, advance in beyond.items():
        if not advance.minor or not asking:
            continue
        left, currency = abs(advance.minor), advance.currency
        asked = Money(sum(abs(one.open.minor) for one in asking), currency)
        others = f"{len(asking)} other statements ask" if len(asking) > 1 else "1 other statement asks"
        start = f"{of.contract} {of.month} {of.party}"
        lines.append(
            f"{Money(left, currency):,} {currency} is paid in advance on {start} run {of.run}, while {others}"
            f" for {asked:,} {currency}; to pay with it those due first:"
        )
        for one in asking:
            taken = min(left, abs(one.open.minor))
            left -= taken
            if taken:
                to = one.key
                lines.append(
                    f"    wattledger record credit {start} {Money(taken, currency)}"
                    f" --run {of.run} --to {to.contract} {to.month} --to-run {to.run}"
                )
    return lines


def _both_sides(payment: NamedPayment, own: Sequence[OpenStatement], *, netting_agreed: bool) -> list[str]:
    """Where the party's balance is nothing and statements of both sides are open, that netting is due."""
    zero = Money.zero(payment.amount.currency)
    if not own or sum((one.open for one in own), zero) != zero:
        return []
    each = sum((one.open for one in own if one.open.minor > 0), zero)
    party, currency = payment.party, zero.currency
    agree = "" if netting_agreed else f", once it is agreed: wattledger netting agree {party}"
    told = f"the balance with {party} is {zero:,} {currency}, while {each:,} is open each way; to set it off:"
    return [f"{told} wattledger netting set-off {party} NAME --currency {currency}{agree}"]
