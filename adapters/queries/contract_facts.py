"""The recorded facts that contracts rest on beside money and energy, as of a sequence number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import msgspec

from adapters.postgres.database import Connection
from adapters.queries import registered
from adapters.queries.registered import Recorded
from ledger.capital.account import CapitalAccounts
from ledger.capital.record import CapitalRecorded
from ledger.clauses.facts import Exclusion, MonthFacts
from ledger.contract import Contract
from ledger.interval import Month
from ledger.recorded_exclusion import ExclusionRecorded
from ledger.recorded_service import ServiceScoreRecorded
from ledger.settlement.line import Source


class ContractFacts:
    """Capital, exclusions and services of all contracts, read once."""

    def __init__(self, connection: Connection, position: int) -> None:
        self._capital = registered.load(connection, "capital", CapitalRecorded, position).versions
        self._exclusions = registered.load(connection, "exclusion", ExclusionRecorded, position).versions
        self._services = registered.load(connection, "service", ServiceScoreRecorded, position).versions

    def capital(self, contract: str) -> CapitalAccounts | None:
        """The contract's capital accounts; None where none are kept."""
        accounts: CapitalAccounts | None = None
        for one in self._capital.get(contract, ()):
            accounts = one.document.apply(accounts)
        return accounts

    def capital_sequences(self, contract: str) -> list[int]:
        """The events that recorded the entries of the accounts, in their order."""
        return [one.sequence for one in self._capital.get(contract, ())]

    def exclusions(self, contract: str) -> list[Recorded[ExclusionRecorded]]:
        """What was stated last under each name, by name; withdrawn ones too."""
        latest = {one.document.name: one for one in self._exclusions.get(contract, ())}
        return [latest[name] for name in sorted(latest)]

    def services(self, contract: str) -> list[Recorded[ServiceScoreRecorded]]:
        """The score that holds of each month and party, in their order."""
        latest = {
            (str(one.document.month), one.document.score.party): one
            for one in self._services.get(contract, ())
        }
        return [latest[key] for key in sorted(latest)]

    def of(self, contract: Contract, month: Month) -> tuple[MonthFacts, tuple[Source, ...]]:
        """What a month is settled from, and the events that recorded it.

        Exclusions are cut to the contract's days of the month, so that what is stated of other days changes
        nothing here.
        """
        first, end = contract.days_in(month)
        excluded: list[Exclusion] = []
        stated: list[int] = []
        for one in self.exclusions(contract.id):
            cut = _within(one.document.exclusion, first, end)
            if cut is not None:
                excluded.append(cut)
                stated.append(one.sequence)
        accounts = self.capital(contract.id)
        scores = [one for one in self.services(contract.id) if one.document.month == month]
        facts = MonthFacts(
            exclusions=tuple(excluded),
            capital=None if accounts is None else accounts.average(first, end),
            service={one.document.score.party: one.document.score.score for one in scores},
        )
        events = (
            ("capital", self.capital_sequences(contract.id)),
            ("exclusion", stated),
            ("service", [one.sequence for one in scores]),
        )
        return facts, tuple(_source(f"{kind}.{contract.id}", found) for kind, found in events if found)


def _within(exclusion: Exclusion | None, first: date, end: date) -> Exclusion | None:
    """The part of an exclusion inside [first, end), if any."""
    if exclusion is None or max(exclusion.first, first) >= min(exclusion.end, end):
        return None
    return msgspec.structs.replace(exclusion, first=max(exclusion.first, first), end=min(exclusion.end, end))


def _source(aggregate: str, sequences: Iterable[int]) -> Source:
    return Source(aggregate, tuple((sequence, sequence) for sequence in sorted(sequences)))
