"""Four eyes: what one person prepares takes effect when another approves it.

A proposal holds the prepared command. Approving it appends the approval and what follows from the
command in one atomic batch, so neither is ever there without the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from ledger.capital.record import RecordCapital
from ledger.command import Command, TimedCommand, known
from ledger.contract_withdrawal import WithdrawContract
from ledger.exclusivity.published import PublishExclusivity
from ledger.identity import checked_id
from ledger.market_fact import PublishMarketRule
from ledger.metering.substitution import SubstituteReadings
from ledger.month_close import CloseMonth
from ledger.netting import AgreeNetting, RecordNetting
from ledger.personal.person import ErasePerson
from ledger.published_tariff import PublishTariff
from ledger.recorded_exclusion import RecordExclusion, WithdrawExclusion
from ledger.recorded_service import RecordServiceScore
from ledger.refusal import Refused
from ledger.settlement.look_back import WaiveLookBack
from ledger.settlement.run import FinaliseRun
from ledger.settlement.run_calendar import PublishRunCalendar
from ledger.settlement.voided import VoidRun
from ledger.signed_contract import RegisterContract
from ledger.statement.dispute import DecideDispute
from ledger.statement.money import WriteOff
from ledger.trading_unit import RegisterTradingUnit

Approvable = (
    RegisterContract
    | WithdrawContract
    | PublishTariff
    | FinaliseRun
    | VoidRun
    | WaiveLookBack
    | PublishRunCalendar
    | DecideDispute
    | WriteOff
    | CloseMonth
    | PublishMarketRule
    | RecordCapital
    | RecordExclusion
    | WithdrawExclusion
    | RecordServiceScore
    | AgreeNetting
    | RecordNetting
    | PublishExclusivity
    | SubstituteReadings
    | RegisterTradingUnit
    | ErasePerson
)
"""The commands that a book of `two_persons` takes only this way. A new one is one line here."""


def together(command: Command | TimedCommand) -> tuple[Command | TimedCommand, ...]:
    """What the front door accepts with a command or not at all: itself first."""
    return command.commands if isinstance(command, RecordNetting) else (command,)


Status = Literal["open", "approved", "rejected"]
REASON_MAX: Final = 2000


class Proposal(msgspec.Struct, frozen=True):
    """A prepared command and what became of it; `decided_by` and `reason` are empty while it is open."""

    command: Approvable
    prepared_by: str
    status: Status = "open"
    decided_by: str = ""
    reason: str = ""


class ProposalMade(msgspec.Struct, frozen=True, tag_field="kind", tag="proposal.made.v1"):
    command: Approvable
    prepared_by: str

    def apply(self, _: object) -> Proposal:
        return Proposal(self.command, self.prepared_by)


class ProposalApproved(msgspec.Struct, frozen=True, tag_field="kind", tag="proposal.approved.v1"):
    approved_by: str

    def apply(self, state: Proposal) -> Proposal:
        return msgspec.structs.replace(state, status="approved", decided_by=self.approved_by)


class ProposalRejected(msgspec.Struct, frozen=True, tag_field="kind", tag="proposal.rejected.v1"):
    rejected_by: str
    reason: str

    def apply(self, state: Proposal) -> Proposal:
        return msgspec.structs.replace(
            state, status="rejected", decided_by=self.rejected_by, reason=self.reason
        )


class Propose(msgspec.Struct, frozen=True):
    """Prepare a command that could be accepted now; it is decided again when it is approved."""

    id: str
    command: Approvable
    prepared_by: str

    @property
    def aggregate(self) -> str:
        return f"proposal.{self.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.command.aggregate, *self.command.reads)

    def decide_at(
        self, now: datetime, state: Proposal | None, others: Mapping[str, object]
    ) -> tuple[ProposalMade]:
        """Raises:
        Refused: `exists`, and whatever the prepared command is refused for `now`."""
        checked_id(self.id, "id")
        checked_id(self.prepared_by, "prepared_by")
        if state is not None:
            raise Refused("exists", f"proposal {self.id} exists already", place="id")
        inner = {name: others.get(name) for name in self.command.reads}
        _decide(self.command, now, others.get(self.command.aggregate), inner)
        return (ProposalMade(self.command, self.prepared_by),)


class Approve(msgspec.Struct, frozen=True):
    """Let a proposal take effect; its command is executed in the same save."""

    id: str
    approved_by: str

    @property
    def aggregate(self) -> str:
        return f"proposal.{self.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Proposal | None, _: Mapping[str, object]) -> tuple[ProposalApproved]:
        """Raises:
        Refused: `unknown_proposal`, `proposal_status`, or `four_eyes` for who prepared it."""
        _check_open(state, self.id, self.approved_by)
        return (ProposalApproved(self.approved_by),)


class Reject(msgspec.Struct, frozen=True):
    """Turn a proposal down with a reason; its preparer may withdraw it the same way."""

    id: str
    rejected_by: str
    reason: str

    @property
    def aggregate(self) -> str:
        return f"proposal.{self.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, state: Proposal | None, _: Mapping[str, object]) -> tuple[ProposalRejected]:
        """Raises:
        Refused: `unknown_proposal`, `proposal_status`, `reason`."""
        checked_id(self.rejected_by, "rejected_by")
        _check_open(state, self.id, "")
        if not 0 < len(self.reason.strip()) <= REASON_MAX:
            raise Refused("reason", f"say why, in at most {REASON_MAX} characters", place="reason")
        return (ProposalRejected(self.rejected_by, self.reason),)


def _check_open(state: Proposal | None, name: str, approver: str) -> None:
    proposal = known({f"proposal.{name}": state}, f"proposal.{name}", Proposal)
    if proposal.status != "open":
        raise Refused(
            "proposal_status",
            f"proposal {name} was {proposal.status} by {proposal.decided_by} already",
            place="id",
        )
    if approver:
        checked_id(approver, "approved_by")
        if approver == proposal.prepared_by:
            raise Refused(
                "four_eyes", f"{approver} prepared this and cannot approve it; another must", place="actor"
            )


def _decide(command: Approvable, now: datetime, state: object, others: Mapping[str, object]) -> None:
    if isinstance(command, TimedCommand):
        command.decide_at(now, state, others)  # type: ignore[arg-type]
        return
    decide = command.decide
    decide(state, others)  # type: ignore[arg-type]
