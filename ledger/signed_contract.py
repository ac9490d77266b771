"""Contracts as facts: each recorded version of a contract, whole."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History, Period, extended


class ContractRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag="contract.registered.v1"):
    contract: Contract

    @property
    def period(self) -> Period:
        """When this version holds, by the contract's own dates."""
        effective = self.contract.effective
        return Period(effective.start, effective.end)

    def apply(self, state: History[Contract] | None) -> History[Contract]:
        return extended(state, self.period, self.contract)


class RegisterContract(msgspec.Struct, frozen=True):
    """Register a contract, or a version that replaces it where their times overlap."""

    contract: Contract

    @property
    def aggregate(self) -> str:
        return f"contract.{self.contract.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        sites = (f"site.{site}" for site in self.contract.sites)
        return (*sites, *(f"party.{party}" for party in self.contract.party_ids))

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[ContractRegistered]:
        for name in self.reads:
            known(others, name, History)
        return (ContractRegistered(self.contract),)
