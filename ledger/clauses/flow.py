"""What reaches a clause as a month's pool flows through a contract, and what the clause did with it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import ClassVar, Final, Literal, cast, get_args

import msgspec

from ledger.interval import Month
from ledger.quantity import MINOR_DIGITS, Money, decimal_text
from ledger.refusal import Refused

Phase = Literal["before_split", "loss", "tier", "rest", "after_split"]
"""Where a clause stands: fees from the pool, losses and tiers, the one clause that takes all that is
left, and fees between parties."""

Proration = Literal["days", "months"]
"""How a month that the contract covers only in part counts: by its days, or as a whole month."""

Timing = Literal["before_split", "after_split"]

POOL: Final = "pool"
"""The payer of a fee that is taken before the split; never a party's id."""


class Throughput(msgspec.Struct, frozen=True):
    """Energy through the contract's storage in the month, both registers in Wh and never negative."""

    charge_wh: int
    discharge_wh: int

    def __post_init__(self) -> None:
        if self.charge_wh < 0 or self.discharge_wh < 0:
            raise Refused("throughput", "charge and discharge are registers: neither is negative")


class HurdleUnpaid(msgspec.Struct, frozen=True, tag_field="type", tag="hurdle_unpaid"):
    """A hurdle's return that earlier months could not pay; never negative."""

    amount: Money


class LossUnrecovered(msgspec.Struct, frozen=True, tag_field="type", tag="loss_unrecovered"):
    """Losses that parties bore in earlier months and may recover first; never negative."""

    amount: Money


class GuaranteeToDate(msgspec.Struct, frozen=True, tag_field="type", tag="guarantee_to_date"):
    """The guarantee's measure so far: `pool` over `months` months (exact text such as `7/2`), to `month`."""

    month: Month
    months: str
    pool: Money


Carry = HurdleUnpaid | LossUnrecovered | GuaranteeToDate
"""What a clause hands on to the next month."""


class Terms(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True, tag_field="type"
):
    """What all clauses share: keyword fields, no unknown ones, the clause's name under `type`.

    A clause has `phase`, `named_parties()` as (field, party id) pairs, and `apply(flow)`.
    """

    account: ClassVar[type[HurdleUnpaid | LossUnrecovered | GuaranteeToDate] | None] = None
    """What the clause carries from month to month, if anything."""

    def needs_prior(self, _: Month) -> bool:
        """Whether the clause cannot be computed for a month without what earlier months carried."""
        return False


NoticeCode = Literal["implausible_fee", "missing_stream", "carry_dropped"]


class Notice(msgspec.Struct, frozen=True):
    """Something that a person should look at; the money was computed as the contract is written.

    `clause` is its position in the contract from 0, or None for the contract as a whole.
    """

    code: NoticeCode
    message: str
    clause: int | None = None


class Flow(msgspec.Struct, frozen=True):
    """One clause's input. Money is in minor units of `currency`; `remaining` may be negative."""

    month: Month
    covered: Fraction
    """The contract's days in the month over the month's days: above 0, at most 1."""
    currency: str
    pool: int
    remaining: int
    streams: Mapping[str, int]
    throughput: Throughput | None
    capital_cost: Fraction | None
    carried: Carry | None

    def months(self, proration: Proration) -> Fraction:
        """The part of the month that counts."""
        return self.covered if proration == "days" else _WHOLE

    @property
    def unit(self) -> int:
        """Minor units in one major unit."""
        return cast("int", 10 ** MINOR_DIGITS[self.currency])

    def minor(self, value: Fraction) -> int:
        """`value` in major units as minor units, rounded once, half away from zero."""
        return Money.round(value, self.currency).minor

    def money(self, minor: int) -> str:
        """For people: `31,975.24 CNY`."""
        return f"{grouped(decimal_text(minor, MINOR_DIGITS[self.currency]))} {self.currency}"


class Part(msgspec.Struct, frozen=True):
    """One party's line from one clause: `exact` in major units, `minor` rounded; positive is receivable."""

    party: str
    exact: Fraction
    minor: int
    basis: str


class Outcome(msgspec.Struct, frozen=True):
    """What a clause did: `taken` minor units left the pool and equal the sum of the parts.

    A clause that keeps no account between months has no `carry`.
    """

    taken: int
    parts: tuple[Part, ...]
    carry: Carry | None = None
    notices: tuple[Notice, ...] = ()


def one_of(value: object, allowed: object, place: str) -> None:
    """That `value` is of the Literal type `allowed`.

    Raises:
        Refused: `not_allowed`, listing what is.
    """
    if value not in get_args(allowed):
        raise Refused("not_allowed", f"{value!r} is not one of {', '.join(get_args(allowed))}", place=place)


def grouped(decimal: str) -> str:
    """A plain decimal with a comma at each thousand.

    >>> grouped("-1234567.89"), grouped("99360")
    ('-1,234,567.89', '99,360')
    """
    whole, point, rest = decimal.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{rest}"


def exact_text(value: Fraction) -> str:
    """A decimal where one exists, else numerator/denominator: nothing is lost.

    >>> exact_text(Fraction("31975.237")), exact_text(Fraction(100000, 3))
    ('31975.237', '100000/3')
    """
    if value.denominator == 1:
        return str(value.numerator)
    scaled, left = divmod(value.numerator * _EXACT_SCALE, value.denominator)
    if left:
        return f"{value.numerator}/{value.denominator}"
    return decimal_text(scaled, _EXACT_DIGITS).rstrip("0")


_WHOLE: Final = Fraction(1)
_EXACT_DIGITS: Final = 18
_EXACT_SCALE: Final = 10**_EXACT_DIGITS
