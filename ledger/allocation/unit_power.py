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
from ledger.allocation.unit_allocation import Taken
from ledger.allocation.unit_case import Case, Shared, SharedOut, check_members
from ledger.allocation.unit_fact import PowerKept, UnitCapacity, UnitRegulation
from ledger.clauses.share import portion


def shared_regulation(case: Case, fact: UnitRegulation) -> SharedOut:
    """Mileage by sum of D x K, capacity by power x availability (DOMAIN.md 3.9).

    Raises:
        Refused: `unit_terms`, `member_unknown`, `member_missing`, `weights_zero`.
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
    return SharedOut(shared, _power(case, fact.members), _available(fact.members), {})


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
