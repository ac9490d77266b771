"""Contracts as facts: each recorded version of a contract, whole, and which of them holds when.

A newer version replaces the older ones from its own first day on, for good: when it ends, or is terminated,
nothing before it holds again. A change for some months is two versions, the changed one and one that follows
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History, Period, extended
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run_calendar import PLAIN
from ledger.site import Site


class HeldDays(NamedTuple):
    """The local days [first, end) on which a version holds."""

    first: date
    end: date


def held_days(versions: Sequence[Contract]) -> tuple[HeldDays | None, ...]:
    """When each of a contract's recorded versions, given oldest first, holds; None for one that never does.

    On any day the newest version that has begun by then holds, or none where that one has ended or was
    terminated (DOMAIN.md 2.1 Q07, effective-dating).
    """
    found: list[HeldDays | None] = []
    replaced = date.max
    for version in reversed(versions):
        end = min(version.terminated_on or version.effective_to, replaced)
        found.append(HeldDays(version.effective_from, end) if version.effective_from < end else None)
        replaced = min(replaced, version.effective_from)
    return tuple(reversed(found))


def version_in(versions: Sequence[Contract], month: Month) -> int | None:
    """The position among `versions` of the one under which `month` is settled; None where none holds.

    Raises:
        Refused: `contract_change` when two hold in it, which registering them does not let through.
    """
    held = [number for number, days in enumerate(held_days(versions)) if days and _within(days, month)]
    if len(held) > 1:
        name = versions[held[1]].id
        raise Refused(
            "contract_change",
            f"contract {name} changes inside {month}; let its new version begin on a first",
            place=f"contract {name}",
        )
    return held[0] if held else None


def _within(days: HeldDays, month: Month) -> bool:
    return max(days.first, month.first_day) < min(days.end, month.next().first_day)


class ContractVersion(msgspec.Struct, frozen=True):
    """What is said of a contract from its first day on."""

    contract: Contract

    @property
    def period(self) -> Period:
        """The contract's own dates."""
        effective = self.contract.effective
        return Period(effective.start, effective.end)

    def apply(self, state: History[Contract] | None) -> History[Contract]:
        return extended(state, self.period, self.contract)


class ContractRegistered(ContractVersion, frozen=True, tag_field="kind", tag="contract.registered.v1"):
    """This version holds."""


class RegisterContract(msgspec.Struct, frozen=True, tag_field="command", tag="contract.register"):
    """Register a contract, or a version that replaces it from its own first day on."""

    contract: Contract

    @property
    def aggregate(self) -> str:
        return f"contract.{self.contract.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        sites = (f"site.{site}" for site in self.contract.sites)
        return (*sites, *(f"party.{party}" for party in self.contract.party_ids), *self._calendar)

    @property
    def _calendar(self) -> tuple[str, ...]:
        """The run calendar's aggregate; `plain` is known without being published."""
        name = self.contract.run_calendar
        return () if name == PLAIN.id else (f"run_calendar.{name}",)

    def decide(
        self, state: History[Contract] | None, others: Mapping[str, object]
    ) -> tuple[ContractRegistered]:
        """Raises:
        Refused: `withdrawn`, `zone`, `currency`, `contract_change`, `run_calendar_missing`, and what is not
            registered."""
        if self.contract.withdrawn is not None:
            text = "no contract is registered as withdrawn: leave it out (wattledger contract withdraw)"
            raise Refused("withdrawn", text, place="withdrawn")
        for name in self._calendar:
            _check_calendar(self.contract, others.get(name))
        for name in self.reads:
            known(others, name, History)
        for name in self.contract.sites:
            _check_zone(self.contract, known(others, f"site.{name}", History), name)
        if state is not None:
            _check_currency(self.contract, state.latest.document)
            _check_change(self.contract, [version.document for version in state.versions])
        return (ContractRegistered(self.contract),)


def _check_zone(contract: Contract, site: History[Site], name: str) -> None:
    """A month of the contract is the same hours as the month of its sites' bills.

    Raises:
        Refused: `zone`.
    """
    zone = site.latest.document.zone
    if zone != contract.zone:
        raise Refused("zone", f"site {name} is in {zone}, the contract in {contract.zone}", place="zone")


def _check_calendar(contract: Contract, published: object) -> None:
    """Raises:
    Refused: `run_calendar_missing` for a calendar that was never published."""
    if not isinstance(published, History):
        raise Refused(
            "run_calendar_missing",
            f"contract {contract.id} names run calendar {contract.run_calendar!r}, which is not published:"
            f" publish it first (wattledger register run-calendar FILE --from DAY), or name {PLAIN.id!r}",
            place="run_calendar",
        )


def _check_currency(contract: Contract, before: Contract) -> None:
    """Raises:
    Refused: `currency` for a version in another currency than the one before it."""
    if before.withdrawn is None and contract.currency != before.currency:
        raise Refused(
            "currency",
            f"contract {contract.id} is in {before.currency}; one in {contract.currency} needs another id, or"
            f" that this one is withdrawn before its first run (wattledger contract withdraw)",
            place="currency",
        )


def _check_change(contract: Contract, earlier: Sequence[Contract]) -> None:
    """That no month would be split between an earlier version and `contract`, which replaces it.

    A month is settled under one version: the new one begins on a first, or where the ones before it hold no
    earlier day of the same month.

    Raises:
        Refused: `contract_change`, naming the days.
    """
    begin = contract.effective_from
    month = Month.of(begin)
    for days in held_days(earlier):
        if days is not None and max(days.first, month.first_day) < min(days.end, begin):
            raise Refused(
                "contract_change",
                f"this version would begin on {begin}, and the one that holds {days.first} to {days.end} has"
                f" the days before it: a month is settled under one version, so begin on {month.first_day}"
                f" or {month.next().first_day}",
                place="effective_from",
            )
