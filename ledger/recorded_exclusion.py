"""Exclusions as facts: the days that a contract's carve-outs leave out, one aggregate a contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ledger.clauses.facts import Exclusion
from ledger.command import known
from ledger.contract import Contract
from ledger.effective import History
from ledger.identity import checked_id
from ledger.refusal import Refused


class Exclusions(msgspec.Struct, frozen=True):
    """By the name of each: what is stated of it now; None once it was withdrawn."""

    stated: dict[str, Exclusion | None] = {}


class ExclusionRecorded(msgspec.Struct, frozen=True, tag_field="kind", tag="exclusion.recorded.v1"):
    """A newer statement of the same `name` replaces the one before; without an `exclusion` it is withdrawn,
    and `withdrawn_for` is what proves that it was wrong."""

    contract: str
    name: str
    exclusion: Exclusion | None
    withdrawn_for: str = ""

    def apply(self, state: Exclusions | None) -> Exclusions:
        before = {} if state is None else state.stated
        return Exclusions(before | {self.name: self.exclusion})


class RecordExclusion(msgspec.Struct, frozen=True, tag_field="command", tag="exclusion.record"):
    """State evidenced days that a clause's carve-outs leave out, or state them anew (DOMAIN.md 2.3)."""

    contract: str
    name: str
    exclusion: Exclusion

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        checked_id(self.name, "name")

    @property
    def aggregate(self) -> str:
        return f"exclusion.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"contract.{self.contract}",)

    def decide(self, _: Exclusions | None, others: Mapping[str, object]) -> tuple[ExclusionRecorded]:
        """Raises:
        Refused: `unknown_contract`; `not_carved_out` where no version that holds on one of the days has a
            carve-out for the cause."""
        history = known(others, f"contract.{self.contract}", History)
        held = [one.document for one in history.versions if _holds_on(one.document, self.exclusion)]
        allowed = sorted({cause for contract in held for cause in carved_out(contract)})
        if self.exclusion.cause not in allowed:
            days = f"{self.exclusion.first} to {self.exclusion.end}"
            text = (
                f"no clause of contract {self.contract} leaves out days of {self.exclusion.cause} in {days};"
                f" its carve-outs there: {', '.join(allowed) or 'none'}"
            )
            raise Refused("not_carved_out", text, place="cause")
        return (ExclusionRecorded(self.contract, self.name, self.exclusion),)


class WithdrawExclusion(msgspec.Struct, frozen=True, tag_field="command", tag="exclusion.withdraw"):
    """Take back an exclusion that was stated; its days count again, and it stays on record."""

    contract: str
    name: str
    evidence: str

    def __post_init__(self) -> None:
        checked_id(self.contract, "contract")
        checked_id(self.name, "name")
        if not self.evidence.strip():
            raise Refused("evidence", "state what proves that these days count after all", place="evidence")

    @property
    def aggregate(self) -> str:
        return f"exclusion.{self.contract}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Exclusions | None, _: Mapping[str, object]) -> tuple[ExclusionRecorded]:
        """Raises:
        Refused: `unknown_exclusion`, `already_withdrawn`."""
        stated = {} if state is None else state.stated
        if self.name not in stated:
            text = f"contract {self.contract} has no exclusion {self.name!r}: {', '.join(sorted(stated))}"
            raise Refused("unknown_exclusion", text, place="exclusion")
        if stated[self.name] is None:
            raise Refused("already_withdrawn", f"{self.name} is withdrawn already", place="exclusion")
        return (ExclusionRecorded(self.contract, self.name, None, self.evidence),)


def carved_out(contract: Contract) -> Iterable[str]:
    """The causes that a clause of the contract leaves days out for."""
    for clause in contract.clauses:
        yield from clause.left_out


def _holds_on(contract: Contract, exclusion: Exclusion) -> bool:
    last = contract.terminated_on or contract.effective_to
    return max(contract.effective_from, exclusion.first) < min(last, exclusion.end)
