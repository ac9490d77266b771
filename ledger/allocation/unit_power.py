"""Regulation and capacity that the market paid for a unit as one, by the operator's record of each member."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.allocation.regulation import (
    CapacityTerms,
    Kept,
    Mileage,
    RegulationTerms,
    capacity_payment,
    mileage_payment,
)
from ledger.allocation.unit_allocation import Taken, UnderAgc
from ledger.allocation.unit_case import Case, Shared, SharedOut, check_members
from ledger.allocation.unit_fact import MileageDone, PowerKept, UnitCapacity, UnitRegulation
from ledger.clauses.share import portion
from ledger.refusal import Refused
from ledger.streams import Rule
from ledger.streams.regulation import RegulationRule


def shared_regulation(case: Case, fact: UnitRegulation, rule: Rule) -> SharedOut:
    """Mileage by sum of D x K, capacity by power x availability (DOMAIN.md 3.9).

    What AGC moved at each member is told by period, and no part of the statement: each site settles its own
    (DOMAIN.md 3.6).

    Raises:
        Refused: `unit_terms`, `member_unknown`, `member_missing`, `weights_zero`; `agc_energy` where a
            member's record is not by the rule's settlement period.
    """
    terms = case.unit.terms_of(RegulationTerms)
    check_members(case, [member.site for member in fact.members], "members")
    done = {
        member.site: [Mileage(*hour) for hour in zip(member.mileage_w, member.performance, strict=True)]
        for member in fact.members
    }
    shared: list[Shared] = []
    if fact.money("mileage").minor:
        paid = mileage_payment(fact.money("mileage"), done, when_all_zero=terms.when_all_zero)
        shared.append(Shared("mileage", paid, "W x K"))
    if fact.money("capacity").minor or not shared:
        paid = capacity_payment(
            fact.money("capacity"), _kept(fact.members), when_all_zero=terms.when_all_zero
        )
        shared.append(Shared("capacity", paid, "W available"))
    called: dict[str, UnderAgc] = {}
    for member in fact.members:
        agc = _under_agc(fact, member)
        if agc is not None and isinstance(rule, RegulationRule):
            _check_periods(fact, rule, member.site, len(agc.called))
            called[member.site] = agc
    return SharedOut(shared, _power(case, fact.members), _available(fact.members), {}, called)


def _check_periods(fact: UnitRegulation, rule: RegulationRule, site: str, count: int) -> None:
    if count * rule.period_s != fact.interval.seconds:
        raise Refused(
            "agc_energy",
            f"{fact.id} has {count} numbers of {site}, and its time is not {count} periods of"
            f" {rule.period_s} s as {rule.id} settles: what AGC moved cannot be told from the storage's own",
            place=f"members.{site}.mileage_w",
        )


def _under_agc(fact: UnitRegulation, member: MileageDone) -> UnderAgc | None:
    """When AGC called the member, and what it moved if that is told; None where it was never called."""
    called = tuple(int(mileage > 0) for mileage in member.mileage_w)
    if not any(called) and not any((*(member.charged_wh or ()), *(member.discharged_wh or ()))):
        return None
    return UnderAgc(
        rule=fact.rule,
        interval=fact.interval,
        called=called,
        charged_wh=member.charged_wh,
        discharged_wh=member.discharged_wh,
    )


def shared_capacity(case: Case, fact: UnitCapacity) -> SharedOut:
    """By P_eff x availability (DOMAIN.md 3.9).

    Raises:
        Refused: `unit_terms`, `member_unknown`, `member_missing`, `weights_zero`.
    """
    terms = case.unit.terms_of(CapacityTerms)
    check_members(case, [member.site for member in fact.members], "members")
    paid = capacity_payment(fact.money("amount"), _kept(fact.members), when_all_zero=terms.when_all_zero)
    shared = [Shared("capacity", paid, "W available")]
    return SharedOut(shared, _power(case, fact.members), _available(fact.members), {})


def _kept(members: Sequence[PowerKept]) -> dict[str, Kept]:
    return {one.site: Kept(one.power_w, portion(one.availability, "availability")) for one in members}


def _available(members: Sequence[PowerKept]) -> dict[str, str]:
    return {one.site: f"{one.power_w} W, available {one.availability}" for one in members}


def _power(case: Case, members: Sequence[PowerKept]) -> dict[str, tuple[Taken, ...]]:
    return {
        one.site: tuple(
            Taken(interval=time, sold="up_w", values=(one.power_w,)) for time in case.standing[one.site]
        )
        for one in members
    }
