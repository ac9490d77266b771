"""Capital entries as facts: one aggregate for each contract's accounts."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.capital.account import CapitalAccounts
from ledger.capital.entry import CapitalEntry
from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.refusal import Refused


class CapitalRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="capital.recorded.v1"):
    contract: str
    currency: str
    entry: CapitalEntry

    def apply(self, state: CapitalAccounts | None) -> CapitalAccounts:
        return (state or CapitalAccounts(self.currency)).with_entry(self.entry)


class RecordCapital(msgspec.Struct, frozen=True, tag_field="command", tag="capital.record"):
    """Record one entry in the capital accounts of a contract."""

    contract: str
    entry: CapitalEntry

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")

    @property
    def aggregate(self) -> str:
        return f"capital.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"contract.{self.contract}",)

    def decide(self, state: CapitalAccounts | None, others: Mapping[str, object]) -> tuple[CapitalRecorded]:
        """Raises:
        Refused: `unknown_contract`; `party_unknown` for a party that no version of it names; `currency`,
            `capital_overdrawn`, `unknown_entry`, `already_struck`."""
        history = known(others, f"contract.{self.contract}", History)
        documents: list[Contract] = [version.document for version in history.versions]
        parties = {party for contract in documents for party in contract.party_ids}
        for party in self.entry.balances():
            if party not in parties:
                text = f"{party!r} is no party of contract {self.contract}: {', '.join(sorted(parties))}"
                raise Refused("party_unknown", text, place="entry")
        event = CapitalRecorded(self.contract, documents[-1].currency, self.entry)
        event.apply(state)
        return (event,)
