"""What reaches a clause as a month's pool flows through a contract, and what the clause did with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import gcd
from types import MappingProxyType
from typing import ClassVar, Final, Literal, NamedTuple, cast, get_args

import msgspec

from ledger.clauses.carry import Carry
from ledger.clauses.facts import Cause, MonthFacts
from ledger.interval import Month
from ledger.quantity import MINOR_DIGITS, Money, decimal_text
from ledger.refusal import Refused

Phase = Literal["before_split", "loss", "tier", "rest", "after_split"]
"""Where a clause stands: fees from the pool, losses and tiers, the one clause that takes all that is
left, and fees between parties."""

Proration = Literal["days", "months"]
"""How a month that the contract covers only in part counts: by its days, or as a whole month."""

Timing = Literal["before_split", "after_split"]

_WHOLE: Final = Fraction(1)
_NONE: Final = Fraction(0)
_NO_STREAMS: Final[Mapping[str, Fraction]] = MappingProxyType({})

POOL: Final = "pool"
"""The payer of a fee that is taken before the split; never a party's id."""


class Throughput(msgspec.Struct, frozen=True):
    """Energy through the contract's storage in the month, both registers in Wh and never negative.

    The values are in major units of the contract's currency, not rounded; None where nobody worked them out.
    """

    charge_wh: int
    discharge_wh: int
    charge_cost: Fraction | None = None
    """What charging cost at the retail or market price of each interval; above zero is a cost."""
    discharge_value: Fraction | None = None
    """What the discharged energy would have cost at the retail price of each interval."""

    def __post_init__(self) -> None:
        if self.charge_wh < 0 or self.discharge_wh < 0:
            raise Refused("throughput", "charge and discharge are registers: neither is negative")


class Stated(NamedTuple):
    """Parts of a whole by party, as a contract writes them; `of` says of what where a clause has several."""

    shares: Mapping[str, str]
    of: str = ""


class Terms(
    msgspec.Struct, frozen=True, kw_only=True, dict=True, forbid_unknown_fields=True, tag_field="type"
):
    """What all clauses share: keyword fields, no unknown ones, the clause's name under `type`.

    A clause has `phase`, `named_parties()` as (field, party id) pairs, and `apply(flow)`.
    """

    account: ClassVar[type[Carry] | None] = None
    """What the clause carries from month to month, if anything."""
    is_fee: ClassVar[bool] = False
    """Whether one pays another for a service by it; all other clauses divide the pool."""
    bears_loss: ClassVar[bool] = False
    """Whether a clause that takes the rest says who bears a loss, so that no loss split is needed."""

    def needs_prior(self, _: Month) -> bool:
        """Whether the clause cannot be computed for a month without what earlier months carried."""
        return False

    def ends(self) -> date | None:
        """The first day on which the contract no longer holds, when the clause ends it early."""
        return None

    @property
    def percentages(self) -> tuple[Stated, ...]:
        """The parts that the clause's text gives to the parties; none where facts decide them."""
        return ()

    @property
    def left_out(self) -> tuple[Cause, ...]:
        """The causes whose evidenced days the clause does not count."""
        return ()

    @property
    def measured(self) -> tuple[str, ...]:
        """The parties whose evidenced services the clause divides by."""
        return ()


NoticeCode = Literal[
    "implausible_fee",
    "missing_stream",
    "carry_dropped",
    "provisional",
    "uncovered_days",
    "behind_the_meter",
    "rebound_in_peak",
    "opening_stock",
    "contract_ended",
]


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
    first: date
    end: date
    """The contract's local days in the month are [first, end)."""
    facts: MonthFacts
    accounts: Mapping[str, Carry]
    """What the clauses above hand on to the next month, by account name."""

    def months(self, proration: Proration, carve_outs: Iterable[Cause] = ()) -> Fraction:
        """The part of the month that counts, less the days that one of the carve-outs excludes."""
        whole = self.covered if proration == "days" else _WHOLE
        if not carve_outs or not self.facts.exclusions:
            return whole
        days = self.facts.excluded_days(carve_outs, self.first, self.end)
        return max(whole - Fraction(days, self.month.days), _NONE)

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
    """One party's line from one clause: `exact` in major units, `minor` rounded; positive is receivable.

    `quantity` in `unit` x `price` is what the line is made of, as far as it is one product.
    """

    party: str
    exact: Fraction
    minor: int
    basis: str
    quantity: str = ""
    unit: str = ""
    price: str = ""
    per_remaining: Fraction = _NONE
    """What of each unit that reached the clause is in `exact`; 0 where a limit or a stated sum decides."""
    per_stream: Mapping[str, Fraction] = _NO_STREAMS
    """What of each unit of a stream is in it beside that."""
    earlier: Fraction = _NONE
    """What of it earlier months left due, in major units. The rest is the clause's own, as it stands."""


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


def check_reset_month(reset_month: int | None, *, by_year: bool) -> None:
    """That the month of a yearly count is stated, and only then.

    Raises:
        Refused: `reset_month`.
    """
    if by_year != (reset_month is not None):
        raise Refused(
            "reset_month", "state the reset_month of a yearly count, and only then", place="reset_month"
        )
    if reset_month is not None and not 1 <= reset_month <= 12:
        raise Refused("reset_month", f"{reset_month} is not a month 1..12", place="reset_month")


def check_carve_outs(causes: Sequence[Cause]) -> None:
    """Raises:
    Refused: `not_allowed`, or `duplicate` for a cause named twice."""
    for index, cause in enumerate(causes):
        one_of(cause, Cause, f"carve_outs[{index}]")
        if cause in causes[:index]:
            raise Refused("duplicate", f"{cause!r} is named twice", place=f"carve_outs[{index}]")


def grouped(decimal: str) -> str:
    """A plain decimal with a comma at each thousand; numerator/denominator stays as it is.

    >>> grouped("-1234567.89"), grouped("99360"), grouped("100000/3")
    ('-1,234,567.89', '99,360', '100000/3')
    """
    if "/" in decimal:
        return decimal
    whole, point, rest = decimal.partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    return f"{sign}{int(digits):,}{point}{rest}"


def exact_text(value: Fraction) -> str:
    """A decimal where one exists, else numerator/denominator: nothing is lost.

    >>> exact_text(Fraction("31975.237")), exact_text(Fraction(100000, 3))
    ('31975.237', '100000/3')
    """
    return quotient_text(*value.as_integer_ratio())


def quotient_text(numerator: int, denominator: int) -> str:
    """`exact_text` of the quotient, by a denominator above zero.

    >>> quotient_text(6, 4), quotient_text(-6, 3), quotient_text(-1, 400), quotient_text(-200000, 6)
    ('1.5', '-2', '-0.0025', '-100000/3')
    """
    whole, left = divmod(abs(numerator), denominator)
    if not left:
        return str(numerator // denominator)
    digits, more = divmod(left * _EXACT_SCALE, denominator)
    if more:
        common = gcd(left, denominator)
        return f"{numerator // common}/{denominator // common}"
    text = f"{whole}.{digits:0{_EXACT_DIGITS}}".rstrip("0")
    return text if numerator > 0 else f"-{text}"


_EXACT_DIGITS: Final = 18
_EXACT_SCALE: Final = 10**_EXACT_DIGITS
