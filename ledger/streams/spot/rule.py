"""A spot market's rule as data: its intervals, where it prices and what it settles beside energy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, TypeVar

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.contract import Id
from ledger.identity import checked_id
from ledger.interval import zone_of
from ledger.market_price import Product
from ledger.quantity import MINOR_DIGITS, exact
from ledger.refusal import Refused

PricePoint = Literal["node", "unified", "generation_weighted"]
"""Whether a site is priced at its own node, at the unified price that the market publishes (as that of the
site's price point), or at the unified price computed of the nodes' prices and told generation."""

ContractPoint = Literal["price_point", "reference_node"]
"""Where contracts for difference settle: at the unit's own price, or at the reference node."""

ChargingBears = Literal["all", "losses", "nothing", "billed_elsewhere"]
"""Which charging energy bears the transmission price and the government funds in this stream: all of it,
only what is not sent back, none, or none here because the account's electricity bill carries them."""

ZeroFloor = Literal["each_factor", "product"]
"""Where a recovery is cut off at zero. `product` is the formula as printed: it also charges a unit that
declared too little while the real-time price was the higher one. `each_factor` charges only too much
declared at a gain."""

Settlements = Literal["two", "one"]
"""two: day-ahead, and the deviation from it in real time. one: there is no day-ahead settlement, and all that
is metered settles at the real-time price."""

UnstatedItem = Literal["declaration_recovery", "execution_penalty", "long_term_recovery"]

_HOUR_S: Final = 3600


class PriceLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product's floor and cap per kWh. Settlement never changes a cleared price (DOMAIN.md 3.0): one
    outside its limits is refused and not cut."""

    product: Product
    floor: str
    cap: str

    def __post_init__(self) -> None:
        one_of(self.product, Product, "product")
        if _decimal(self.floor, "floor") > _decimal(self.cap, "cap"):
            raise Refused("price_limits", f"floor {self.floor} is above cap {self.cap}", place="floor")


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Levelling(_Item, frozen=True, tag="levelling"):
    """(Q_month - sum of Q_daily) x P_month, the month's composite spot price (DOMAIN.md 3.5)."""


class DeclarationRecovery(_Item, frozen=True, tag="declaration_recovery"):
    """(Q_decl - Q_rt (1 + tolerance)) (P_da - P_rt) of each interval is paid back (DOMAIN.md 3.5)."""

    tolerance: Portion
    """Lambda."""
    zero_floor: ZeroFloor

    def __post_init__(self) -> None:
        portion(self.tolerance, "tolerance")
        one_of(self.zero_floor, ZeroFloor, "zero_floor")


class ExecutionPenalty(_Item, frozen=True, tag="execution_penalty"):
    """max(|Q_act - Q_decl| - max(Q_decl x tolerance, threshold), 0) x P x factor (DOMAIN.md 3.5).

    P is the month's assessment price.
    """

    tolerance: Portion
    """r1."""
    threshold_wh: int
    """M, per interval."""
    factor: Amount
    """r2."""

    def __post_init__(self) -> None:
        portion(self.tolerance, "tolerance")
        amount(self.factor, "factor")
        if self.threshold_wh < 0:
            raise Refused("threshold", f"{self.threshold_wh} Wh is below zero", place="threshold_wh")


class NoContractUser(_Item, frozen=True, tag="no_contract_user"):
    """A user without a contract pays `factor` x the monthly real-time price (DOMAIN.md 3.5)."""

    factor: Amount

    def __post_init__(self) -> None:
        amount(self.factor, "factor")


SpotItem = Levelling | DeclarationRecovery | ExecutionPenalty | NoContractUser
I = TypeVar("I", bound=_Item)  # noqa: E741


class SpotRule(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="type",
    tag="spot_rule",
):
    """One version of a market's two-settlement (DOMAIN.md 3.5); every field is stated."""

    id: Id
    title: str
    source: str
    """Where the numbers come from, with the tag of DOMAIN.md."""
    currency: str
    zone: str
    """The clocks that the market's days follow."""
    interval_s: int
    """The settlement interval. Energies are summed to it, prices averaged over it."""
    day_ahead_interval_s: int
    """The interval of the published day-ahead prices; it divides the settlement interval."""
    real_time_interval_s: int
    price_point: PricePoint
    contract_point: ContractPoint
    charging_bears: ChargingBears
    limits: tuple[PriceLimits, ...]
    """May be empty, and is stated all the same."""
    items: tuple[SpotItem, ...]
    """What the market settles beside the energy and the contracts; may be empty."""
    unstated: tuple[UnstatedItem, ...]
    """Items that the market has but whose numbers this version lacks: each month's operator statement has
    to give their amounts, else the month is refused."""
    settlements: Settlements = "two"

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for field in ("title", "source"):
            if not getattr(self, field).strip():
                raise Refused("rule_text", f"{field} must not be empty", place=field)
        if self.currency not in MINOR_DIGITS:
            raise Refused(
                "currency", f"{self.currency!r} is not one of {', '.join(MINOR_DIGITS)}", place="currency"
            )
        try:
            zone_of(self.zone)
        except Refused as refused:
            raise Refused(refused.code, refused.reason, place="zone") from None
        _check_intervals(self)
        one_of(self.price_point, PricePoint, "price_point")
        one_of(self.contract_point, ContractPoint, "contract_point")
        one_of(self.charging_bears, ChargingBears, "charging_bears")
        one_of(self.settlements, Settlements, "settlements")
        if self.settlements == "one" and self.contract_point == "reference_node":
            wrong = "price_point: the reference node's price is of a day-ahead settlement"
            raise Refused("not_allowed", wrong, place="contract_point")
        _once([limits.product for limits in self.limits], "limits")
        named = [_tag(item) for item in self.items]
        _once(named, "items")
        for number, name in enumerate(self.unstated):
            one_of(name, UnstatedItem, f"unstated[{number}]")
        _once([*named, *self.unstated], "unstated")

    def item(self, kind: type[I]) -> I | None:
        """The item of that kind, where the market has it."""
        for item in self.items:
            if isinstance(item, kind):
                return item
        return None

    def limits_of(self, product: Product) -> tuple[Fraction, Fraction] | None:
        """The product's floor and cap per kWh, where the rule states them."""
        for limits in self.limits:
            if limits.product == product:
                return exact(limits.floor), exact(limits.cap)
        return None


def _check_intervals(rule: SpotRule) -> None:
    if rule.interval_s <= 0 or _HOUR_S % rule.interval_s:
        raise Refused("interval", f"{rule.interval_s} s does not divide an hour", place="interval_s")
    for field in ("day_ahead_interval_s", "real_time_interval_s"):
        seconds = getattr(rule, field)
        if seconds <= 0 or rule.interval_s % seconds:
            raise Refused("interval", f"{seconds} s does not divide {rule.interval_s} s", place=field)


def _tag(item: SpotItem) -> str:
    return str(item.__struct_config__.tag)


def _once(names: Sequence[str], place: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Refused("stated_twice", f"{', '.join(twice)} may be stated once", place=place)


def _decimal(text: str, place: str) -> Fraction:
    try:
        return exact(text)
    except Refused as refused:
        raise Refused(refused.code, refused.reason, place=place) from None
