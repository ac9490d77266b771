"""What a demand response market told: invitation with award, instruction, outage, contracted capacity."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from ledger.clauses.share import Amount, amount
from ledger.identity import checked_id
from ledger.interval import Instant, Interval
from ledger.refusal import Refused
from ledger.streams.baseline import Exclusion
from ledger.streams.demand_response.rule import DemandResponseRule, Id


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What every message of the market names; `run` is the market's own name for its run."""

    id: Id
    site: Id
    rule: Id
    run: str
    interval: Interval

    def __post_init__(self) -> None:
        for text, place in ((self.id, "id"), (self.site, "site"), (self.rule, "rule")):
            checked_id(text, place)
        if not self.run.strip():
            raise Refused("empty", "a fact names the market's run", place="run")


class DemandResponseInvitation(Fact, frozen=True, kw_only=True, tag="demand_response_invitation"):
    """An event's window and what the site, or trading unit, was awarded in each interval of it."""

    announced: Instant
    awarded_w: tuple[int, ...]
    """Mean power for each of the rule's intervals; what `Interval` covers, in order."""
    clearing_price: Amount | None = None
    """Per kWh; absent where the rule's price is fixed."""
    minimum_w: int | None = None
    """The contracted minimum; required by a rule that has one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.announced.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="announced")
        if self.announced > self.interval.start:
            raise Refused("announced", "an event is announced before it begins", place="announced")
        if not self.awarded_w or not any(self.awarded_w):
            raise Refused("award", "an award is above zero in at least one interval", place="awarded_w")
        for index, watts in enumerate(self.awarded_w):
            _check_power(watts, f"awarded_w[{index}]")
        if self.interval.seconds % len(self.awarded_w):
            message = f"{len(self.awarded_w)} values do not divide {self.interval.seconds} s"
            raise Refused("award", message, place="awarded_w")
        if self.clearing_price is not None:
            amount(self.clearing_price, "clearing_price")
        if self.minimum_w is not None:
            _check_power(self.minimum_w, "minimum_w")


class DemandResponseInstruction(Fact, frozen=True, kw_only=True, tag="demand_response_instruction"):
    """The call to respond, for the whole of an award's window or a part of it."""

    invitation: Id
    issued: Instant

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_id(self.invitation, "invitation")
        if self.issued.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="issued")
        if self.issued > self.interval.start:
            raise Refused("issued", "an instruction is issued before it takes effect", place="issued")


class DemandResponseOutage(Fact, frozen=True, kw_only=True, tag="demand_response_outage"):
    """Time in which the site was not normal. `excused` time is left out of award, response and penalty."""

    reason: str
    excused: bool
    """Whether the market accepted it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.reason.strip():
            raise Refused("empty", "an outage states its reason", place="reason")


class DemandResponseCapacity(Fact, frozen=True, kw_only=True, tag="demand_response_capacity"):
    """The power that stood contracted for one month."""

    contracted_w: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_power(self.contracted_w, "contracted_w")
        hour = timedelta(hours=1)
        if (
            not timedelta(days=28) - hour
            <= self.interval.end - self.interval.start
            <= timedelta(days=31) + hour
        ):
            raise Refused("month", "the interval is one calendar month", place="interval")


class Event(NamedTuple):
    """An award and the instruction that called it, if one did."""

    invitation: DemandResponseInvitation
    instruction: DemandResponseInstruction | None

    @property
    def window(self) -> Interval:
        """When the response was due."""
        return self.invitation.interval if self.instruction is None else self.instruction.interval

    def is_called(self, rule: DemandResponseRule) -> bool:
        """Whether it was due: an instruction called it, or the award alone does."""
        return self.instruction is not None or rule.without_instruction == "paid"


def called_windows(rule: DemandResponseRule, events: Iterable[Event]) -> tuple[Exclusion, ...]:
    """What a baseline leaves out because of `events`; an award that was not called is normal time."""
    return tuple(
        Exclusion(event.window, f"event {event.invitation.id}") for event in events if event.is_called(rule)
    )


def matched(
    invitations: Iterable[DemandResponseInvitation], instructions: Iterable[DemandResponseInstruction]
) -> list[Event]:
    """Each award with its instruction, in the order of `invitations` (DOMAIN.md 5).

    Raises:
        Refused: `instruction_without_award` for an instruction whose award is not known or which reaches
            outside its window, `instruction_duplicate`, `invitation_duplicate`.
    """
    awards: dict[str, DemandResponseInvitation] = {}
    for invitation in invitations:
        if invitation.id in awards:
            raise Refused("invitation_duplicate", f"{invitation.id} is there twice", place=invitation.id)
        awards[invitation.id] = invitation
    called: dict[str, DemandResponseInstruction] = {}
    for instruction in instructions:
        award = awards.get(instruction.invitation)
        if award is None or (award.site, award.rule) != (instruction.site, instruction.rule):
            message = f"no award {instruction.invitation} of {instruction.site} under {instruction.rule}"
            raise Refused("instruction_without_award", message, place=instruction.id)
        if not (
            award.interval.start
            <= instruction.interval.start
            < instruction.interval.end
            <= award.interval.end
        ):
            message = f"the award holds {award.interval.start} to {award.interval.end} only"
            raise Refused("instruction_without_award", message, place=instruction.id)
        if award.id in called:
            message = f"{award.id} was already called by {called[award.id].id}"
            raise Refused("instruction_duplicate", message, place=instruction.id)
        called[award.id] = instruction
    return [Event(award, called.get(award.id)) for award in awards.values()]


_W_MAX: Final = 10**12


def _check_power(watts: int, place: str) -> None:
    if not isinstance(watts, int) or isinstance(watts, bool) or not 0 <= watts <= _W_MAX:
        raise Refused("power", f"{watts!r} is not a whole number of W from 0", place=place)
