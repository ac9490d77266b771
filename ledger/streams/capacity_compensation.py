"""Capacity compensation: what certified storage capacity earns in a month (DOMAIN.md 3.7).

Monthly = p_cap / 12 x P_eff x availability, with P_eff = P_n x min(1, h_full / h_peak) x (1 - aux). The
same kW is never also leased. Behind the meter it is 0.00, and flagged, unless the rule says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import exact_text, one_of
from ledger.clauses.share import Amount, Portion, amount, portion
from ledger.contract import Id
from ledger.identity import checked_id
from ledger.interval import Interval, Month, zone_of
from ledger.quantity import MINOR_DIGITS, Money
from ledger.refusal import Refused
from ledger.settlement.line import Basis
from ledger.streams.earned import Earned

BehindTheMeter = Literal["ineligible", "eligible"]

_KILO: Final = 1000
_W_MAX: Final = 10**12
"""A terawatt: more is a unit error."""
_MINUTE_S: Final = 60


class CapacityRule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="capacity"
):
    """A market's capacity compensation."""

    id: Id
    title: str
    source: str
    currency: str
    zone: str
    price_per_kw_year: Amount
    """p_cap."""
    peak_hours: Amount
    """h_peak: the hours for which the system's peak lasts."""
    auxiliary: Portion
    """The part of the power that the plant itself uses; "0%" where the rule takes none off."""
    behind_the_meter: BehindTheMeter

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        for text, field in ((self.title, "title"), (self.source, "source")):
            if not text.strip():
                raise Refused("empty", f"{field} must be stated", place=field)
        if self.currency not in MINOR_DIGITS:
            known = ", ".join(MINOR_DIGITS)
            raise Refused("currency", f"{self.currency!r} is not one of {known}", place="currency")
        zone_of(self.zone)
        amount(self.price_per_kw_year, "price_per_kw_year")
        if amount(self.peak_hours, "peak_hours") == 0:
            raise Refused("peak_hours", "the peak lasts longer than zero hours", place="peak_hours")
        portion(self.auxiliary, "auxiliary")
        one_of(self.behind_the_meter, BehindTheMeter, "behind_the_meter")


class _Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    id: Id
    site: Id
    rule: Id
    run: str
    """The market's own name for its run."""
    interval: Interval

    def __post_init__(self) -> None:
        for name, field in ((self.id, "id"), (self.site, "site"), (self.rule, "rule")):
            checked_id(name, field)
        if not self.run.strip():
            raise Refused("empty", "the market's run must be named", place="run")


class CapacityCertified(_Fact, frozen=True, kw_only=True, tag="capacity_certified"):
    """Power that the market certified for the interval, of the installed `nameplate_w`."""

    nameplate_w: int
    certified_w: int
    """P_n."""
    full_hours: Amount
    """h_full: hours of discharge at that power."""
    behind_the_meter: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.nameplate_w <= _W_MAX:
            raise Refused("certified", f"{self.nameplate_w} W is not 1..{_W_MAX}", place="nameplate_w")
        if not 0 < self.certified_w <= self.nameplate_w:
            raise Refused(
                "certified", f"{self.certified_w} W is not 1..{self.nameplate_w}", place="certified_w"
            )
        amount(self.full_hours, "full_hours")


class CapacityLeased(_Fact, frozen=True, kw_only=True, tag="capacity_leased"):
    """Power of the site that is leased to somebody over the interval; `run` names the lease."""

    leased_w: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.leased_w <= _W_MAX:
            raise Refused("leased", f"a lease is of 1 to {_W_MAX} W", place="leased_w")


class NodeAvailability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One node's minutes, which together are the interval, and the kWh by which it weighs, in Wh."""

    node: Id
    energy_wh: int
    available_min: int
    unavailable_min: int

    def __post_init__(self) -> None:
        checked_id(self.node, "node")
        if self.energy_wh <= 0:
            raise Refused("weight", "a node weighs by its capacity above 0 Wh", place="energy_wh")
        if self.available_min < 0 or self.unavailable_min < 0:
            raise Refused("minutes", "minutes are not negative", place="available_min")


class AvailabilityMeasured(_Fact, frozen=True, kw_only=True, tag="availability_measured"):
    """Every node's availability over the interval; minutes that nobody measured are not available ones."""

    nodes: tuple[NodeAvailability, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.nodes or len({node.node for node in self.nodes}) != len(self.nodes):
            raise Refused("nodes", "name one or more nodes, each once", place="nodes")
        minutes, over = divmod(self.interval.seconds, _MINUTE_S)
        if over:
            raise Refused("interval", "availability is of whole minutes", place="interval")
        for number, node in enumerate(self.nodes):
            stated = node.available_min + node.unavailable_min
            if stated != minutes:
                wrong = f"{node.node} states {stated} of {minutes} minutes"
                raise Refused("availability_missing", wrong, place=f"nodes[{number}]")

    @property
    def factor(self) -> Fraction:
        """Available minutes over all minutes, each node weighed by its kWh (DOMAIN.md 2.1, Q12)."""
        available = sum(node.energy_wh * node.available_min for node in self.nodes)
        minutes = self.interval.seconds // _MINUTE_S
        return Fraction(available, minutes * sum(node.energy_wh for node in self.nodes))


def eligible(rule: CapacityRule, certified: CapacityCertified) -> bool:
    """Whether the rule pays the certified storage: behind the meter only where it says so (DOMAIN.md 3.7)."""
    return not certified.behind_the_meter or rule.behind_the_meter == "eligible"


def effective_w(rule: CapacityRule, certified: CapacityCertified) -> Fraction:
    """P_eff = P_n x min(1, h_full / h_peak) x (1 - aux), in W, not rounded."""
    hours = amount(certified.full_hours, "full_hours") / amount(rule.peak_hours, "peak_hours")
    return certified.certified_w * min(Fraction(1), hours) * (1 - portion(rule.auxiliary, "auxiliary"))


def capacity_earned(
    rule: CapacityRule,
    month: Month,
    certified: CapacityCertified,
    availability: AvailabilityMeasured | None,
    leases: Sequence[CapacityLeased],
) -> Earned:
    """The site's capacity compensation of a month, in the rule's zone.

    165 yuan/kW.year for 10 MW of 4 hours where the peak lasts 4, always available: 137 500.00 yuan. The same
    behind the meter, where the rule does not pay for it: 0.00, whatever was available or leased.

    Raises:
        Refused: `rule`, `site`, `month` when a fact is not of the whole month, `availability_missing`,
            `leased_capacity` when certified and leased power together are more than is installed,
            `lease_duplicate`.
    """
    whole = month.interval(zone_of(rule.zone))
    for fact in (certified, availability):
        if fact is not None and fact.rule != rule.id:
            raise Refused("rule", f"{fact.rule} is not {rule.id}", place=fact.id)
    if not eligible(rule, certified):
        return _nothing(rule, certified)
    if availability is None:
        raise Refused("availability_missing", f"no availability of {month}", place=certified.id)
    if availability.site != certified.site:
        raise Refused("site", f"{availability.site} is not {certified.site}", place=availability.id)
    if availability.interval != whole:
        raise Refused("month", f"the availability is not of {month} in {rule.zone}", place=availability.id)
    if not (certified.interval.start <= whole.start and whole.end <= certified.interval.end):
        raise Refused("month", f"the certification does not cover {month}", place=certified.id)
    _check_leases(certified, whole, leases)
    power_w, share = effective_w(rule, certified), availability.factor
    kw = power_w * share / _KILO
    price = amount(rule.price_per_kw_year, "price_per_kw_year") / 12
    exact = kw * price
    label = (
        f"{month}: P_n {exact_text(Fraction(certified.certified_w, _KILO))} kW x min(1, "
        f"{certified.full_hours} h / {rule.peak_hours} h) x (1 - {rule.auxiliary}) x availability "
        f"{exact_text(share)}"
    )
    term = Basis(label, exact_text(kw), "kW.month", exact_text(price), exact_text(exact))
    note = f"effective capacity {exact_text(power_w / _KILO)} kW, price per month {rule.price_per_kw_year}/12"
    return Earned("capacity", exact, Money.round(exact, rule.currency), (term,), note)


def _nothing(rule: CapacityRule, certified: CapacityCertified) -> Earned:
    zero = Fraction(0)
    note = f"{certified.id}: {rule.id} does not pay storage behind the meter"
    kw = exact_text(Fraction(certified.certified_w, _KILO))
    term = Basis(f"P_n {kw} kW behind the meter", kw, "kW.month", "0", "0")
    return Earned("capacity", zero, Money.zero(rule.currency), (term,), note)


def _check_leases(certified: CapacityCertified, month: Interval, leases: Sequence[CapacityLeased]) -> None:
    own = [lease for lease in leases if lease.site == certified.site and lease.interval.overlaps(month)]
    if len({lease.id for lease in own}) != len(own):
        raise Refused("lease_duplicate", "a lease is given twice", place=certified.site)
    for begun in own:
        at = max(begun.interval.start, month.start)
        leased = sum(lease.leased_w for lease in own if lease.interval.contains(at))
        if certified.certified_w + leased > certified.nameplate_w:
            wrong = (
                f"{certified.certified_w} W certified and {leased} W leased are more than the"
                f" {certified.nameplate_w} W installed: the same kW is not paid twice"
            )
            raise Refused("leased_capacity", wrong, place=begun.id)
