"""Withdrawing a contract that was never settled: it holds on no day, and no month waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import msgspec

from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Month
from ledger.refusal import Refused
from ledger.settlement.run import Runs
from ledger.signed_contract import ContractVersion


class ContractWithdrawn(ContractVersion, frozen=True, tag_field="kind", tag="contract.withdrawn.v1"):
    """A contract's last version, with why it holds on no day: what holds is nothing."""


class WithdrawContract(msgspec.Struct, frozen=True, tag_field="command", tag="contract.withdraw"):
    """Withdraw a contract of which no month was ever settled, by a provisional run neither.

    Its id can be registered again, in another currency too. `first` to `last` are the months that are looked
    at: all in which a version of it has days.
    """

    contract: str
    reason: str
    first: Month
    last: Month

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        if not self.reason.strip():
            raise Refused("reason", "state why the contract is withdrawn", place="reason")

    @property
    def aggregate(self) -> str:
        return f"contract.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(f"settlement.{self.contract}_{month}" for month in self._months())

    def decide(
        self, state: History[Contract] | None, others: Mapping[str, object]
    ) -> tuple[ContractWithdrawn]:
        """Raises:
        Refused: `unknown_contract`, `already_withdrawn`, `contract_change` for months that do not cover it,
            `contract_settled`."""
        if state is None:
            raise Refused(
                "unknown_contract", f"no contract {self.contract!r} is registered", place="contract"
            )
        newest = state.latest.document
        if newest.withdrawn is not None:
            raise Refused("already_withdrawn", f"{self.contract} is withdrawn already", place="contract")
        documents = [version.document for version in state.versions]
        first, last = months_of(documents)
        if first < self.first or self.last < last:
            text = f"{self.contract} has days from {first} to {last} by now: withdraw it again"
            raise Refused("contract_change", text, place="contract")
        for month in self._months():
            self._check_unsettled(others.get(f"settlement.{self.contract}_{month}"), month)
        begin = min(document.effective_from for document in documents)
        document = msgspec.structs.replace(newest, effective_from=begin, withdrawn=self.reason)
        return (ContractWithdrawn(document),)

    def _months(self) -> Iterator[Month]:
        month = self.first
        while month <= self.last:
            yield month
            month = month.next()

    def _check_unsettled(self, runs: object, month: Month) -> None:
        if isinstance(runs, Runs) and runs.runs:
            raise Refused(
                "contract_settled",
                f"{self.contract} has run {runs.runs[-1].number} of {month}, and is not withdrawn any more:"
                " end it with a version that has an earlier effective_to, or an early_termination",
                place="contract",
            )


def months_of(documents: list[Contract]) -> tuple[Month, Month]:
    """The first and the last month in which a version has days."""
    begin = min(document.effective_from for document in documents)
    end = max(document.effective_to for document in documents)
    return Month.of(begin), Month.of(end - timedelta(days=1))
