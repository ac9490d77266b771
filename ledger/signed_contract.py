"""Contracts as facts: each recorded version of a contract, whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History, Period, extended
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.site import Site


class ContractRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="contract.registered.v1"):
    contract: Contract

    @property
    def period(self) -> Period:
        """When this version holds, by the contract's own dates."""
        effective = self.contract.effective
        return Period(effective.start, effective.end)

    def apply(self, state: History[Contract] | None) -> History[Contract]:
        return extended(state, self.period, self.contract)


class RegisterContract(msgspec.Struct, frozen=True, tag_field="command", tag="contract.register"):
    """Register a contract, or a version that replaces it where their times overlap."""

    contract: Contract

    @property
    def aggregate(self) -> str:
        return f"contract.{self.contract.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        sites = (f"site.{site}" for site in self.contract.sites)
        return (*sites, *(f"party.{party}" for party in self.contract.party_ids))

    def decide(
        self, state: History[Contract] | None, others: Mapping[str, object]
    ) -> tuple[ContractRegistered]:
        for name in self.reads:
            known(others, name, History)
        for name in self.contract.sites:
            _check_zone(self.contract, known(others, f"site.{name}", History), name)
        if state is not None:
            _check_currency(self.contract, state.latest.document)
            _check_change(self.contract, (version.document for version in state.versions))
        return (ContractRegistered(self.contract),)


def _check_zone(contract: Contract, site: History[Site], name: str) -> None:
    """A month of the contract is the same hours as the month of its sites' bills.

    Raises:
        Refused: `zone`.
    """
    zone = site.latest.document.zone
    if zone != contract.zone:
        raise Refused("zone", f"site {name} is in {zone}, the contract in {contract.zone}", place="zone")


def _check_currency(contract: Contract, before: Contract) -> None:
    """Raises:
    Refused: `currency` for a version in another currency than the one before it."""
    if contract.currency != before.currency:
        raise Refused(
            "currency",
            f"contract {contract.id} is in {before.currency}; one in {contract.currency} needs another id",
            place="currency",
        )


def _check_change(contract: Contract, earlier: Iterable[Contract]) -> None:
    """That no month would be split between `contract` and an earlier recorded version of it.

    A month is settled under one version: the new one begins, and ends, where none of the earlier ones
    holds other days of the same month.

    Raises:
        Refused: `contract_change`, naming the days.
    """
    first, last = Month.of(contract.effective_from), Month.of(contract.effective_to - date.resolution)
    for version in earlier:
        held = f"{version.effective_from} to {version.effective_to}"
        if _has_days(version, first.first_day, contract.effective_from):
            raise Refused(
                "contract_change",
                f"this version would begin on {contract.effective_from}, and the one that holds {held} has"
                f" the days before it: a month is settled under one version, so begin on {first.first_day}"
                f" or {first.next().first_day}",
                place="effective_from",
            )
        if _has_days(version, contract.effective_to, last.next().first_day):
            raise Refused(
                "contract_change",
                f"this version would end on {contract.effective_to}, and the one that holds {held} would hold"
                f" again from then on: a month is settled under one version, so end on {last.first_day} or"
                f" {last.next().first_day}",
                place="effective_to",
            )


def _has_days(contract: Contract, start: date, end: date) -> bool:
    """Whether the contract holds on a day of [start, end)."""
    return max(contract.effective_from, start) < min(contract.effective_to, end)
