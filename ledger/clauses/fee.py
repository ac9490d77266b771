"""What the fees share: who may pay whom, and the lines that a fee makes."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ledger.clauses.flow import POOL, Part, Timing, one_of
from ledger.refusal import Refused


def check_fee_parties(payer: str, payee: str, timing: Timing) -> None:
    """The pool pays a fee before the split and a party pays one after it.

    Raises:
        Refused: `not_allowed`, `fee_timing` or `fee_parties`.
    """
    one_of(timing, Timing, "timing")
    if (timing == "before_split") != (payer == POOL):
        raise Refused(
            "fee_timing",
            f'a fee before_split is paid by "{POOL}" and one after_split by a party; {timing} has {payer!r}',
            place="payer",
        )
    if payee in (payer, POOL):
        raise Refused("fee_parties", f"{payee!r} cannot receive a fee that {payer!r} pays", place="payee")


def fee_parties(payer: str, payee: str) -> Iterator[tuple[str, str]]:
    if payer != POOL:
        yield "payer", payer
    yield "payee", payee


def fee_parts(
    payer: str,
    payee: str,
    exact: Fraction,
    fee: int,
    basis: str,
    *,
    quantity: str = "",
    unit: str = "",
    price: str = "",
) -> tuple[int, tuple[Part, ...]]:
    """What the pool loses by the fee, and the lines."""
    received = Part(payee, exact, fee, basis, quantity, unit, price)
    if payer == POOL:
        return fee, (received,)
    return 0, (Part(payer, -exact, -fee, basis, quantity, unit, price), received)
