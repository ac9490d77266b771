"""A programme's call on a trading unit: heard, changed, withdrawn, decided and answered, each on record.

A call is known by its event at the operator; a version of it is recorded once, whoever hears it and however
often. What an operator sends that cannot be read is on record as well, with what is wrong with it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal

import msgspec

from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused
from trading.product import Id

Decision = Literal["open", "accepted", "declined"]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_HASHED: Final = 40
_WHOLE_MAX: Final = 2**40
_TEXT_MAX: Final = 500


class CalledInterval(msgspec.Struct, frozen=True):
    """[start, end) in UTC and the mean power that is asked for in it, in W, above zero discharging.

    `price_u`: millionths of the market's currency per kWh (kW·h, kW), where the call itself tells a price.
    """

    start: Instant
    end: Instant
    power_w: int
    price_u: int | None = None

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise Refused("event_time", "the interval lasts no time", place="end")
        if not -_WHOLE_MAX <= self.power_w <= _WHOLE_MAX:
            raise Refused("payload_value", f"whole W up to {_WHOLE_MAX}", place="power_w")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a call. `version` is the operator's stamp, `received` our clock when it was here.

    `wrong` and `why`: the code and reason for which it can be no power; then it has no `intervals`. `unused`
    are the types that it told and nobody reads. `randomize_s`: how far the operator lets a start be shifted;
    nothing is shifted. `end` is None for a call without end.
    """

    gateway: Id
    market: Id
    product: Id
    unit: Id
    programme: str
    event: str
    version: Instant
    digest: str
    received: Instant
    start: Instant
    end: Instant | None
    intervals: tuple[CalledInterval, ...] = ()
    name: str | None = None
    priority: int | None = None
    targets: tuple[str, ...] = ()
    randomize_s: int = 0
    trial: bool = False
    after_gate: bool = False
    unused: tuple[str, ...] = ()
    wrong: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        for place in ("gateway", "market", "product", "unit"):
            checked_id(getattr(self, place), place)
        if bool(self.intervals) == bool(self.wrong):
            raise Refused("call_intervals", "either intervals or what is wrong", place="intervals")


class Step(msgspec.Struct, frozen=True):
    """What held of a call from `at` on: a version of it and what was decided, or None once it was withdrawn.

    `bids`: the bid that it calls, by delivery day. `answer` is the operator's name for our report, where one
    was sent.
    """

    at: Instant
    call: Call | None
    decision: Decision = "open"
    code: str = ""
    reason: str = ""
    bids: dict[date, str] = {}
    answer: str | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """What the operator sent in a call's place, and why it was not taken."""

    code: str
    reason: str
    place: str


class CallState(msgspec.Struct, frozen=True):
    steps: tuple[Step, ...] = ()
    unreadable: Unreadable | None = None
    """Since the last step; None once something was read again."""

    @property
    def latest(self) -> Step | None:
        return self.steps[-1] if self.steps else None

    def has(self, version: datetime, digest: str) -> bool:
        """Whether that version of the call is on record."""
        told = [step.call for step in self.steps if step.call is not None]
        return any((one.version, one.digest) == (version, digest) for one in told)

    def refuses(self, refused: Unreadable) -> bool:
        """Whether the same fault is what was said last; its text may name times that pass."""
        held = self.unreadable
        return held is not None and (held.code, held.place) == (refused.code, refused.place)


def call_id(gateway: str, unit: str, event: str) -> str:
    """A call's name: of the gateway, the unit and the operator's event, or a digest where that is no name.

    >>> call_id("dr", "vpp", "event-1"), call_id("dr", "vpp", "e" * 60)[:11]
    ('dr_vpp_event-1', 'call-747c38')
    """
    plain = f"{gateway}_{unit}_{event}"
    if _NAME.fullmatch(plain):
        return plain
    return f"call-{hashlib.sha256(plain.encode()).hexdigest()[:_HASHED]}"


def aggregate_of(name: str) -> str:
    """The aggregate of a call.

    >>> aggregate_of("dr_vpp_event-1")
    'response_call.dr_vpp_event-1'
    """
    return f"response_call.{name}"


class ResponseCallHeard(msgspec.Struct, frozen=True, tag_field="kind", tag="call.heard.v1"):
    """A version of a call: `change` says whether it is the first one."""

    call: Call
    change: Literal["new", "changed"]

    def apply(self, state: CallState | None) -> CallState:
        return CallState((*_steps(state), Step(self.call.received, self.call)))


class ResponseCallWithdrawn(msgspec.Struct, frozen=True, tag_field="kind", tag="call.withdrawn.v1"):
    """The operator has it no more, or says that it is cancelled; `before` is the version that held."""

    gateway: Id
    event: str
    before: Instant
    at: Instant
    after_gate: bool

    def apply(self, state: CallState) -> CallState:
        return CallState((*state.steps, Step(self.at, None, decision="accepted")))


class ResponseCallRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="call.refused.v1"):
    """What was sent cannot be taken as it stands; an earlier version stays in force."""

    gateway: Id
    event: str
    refused: Unreadable

    def apply(self, state: CallState | None) -> CallState:
        return CallState(_steps(state), self.refused)


class ResponseCallDecided(msgspec.Struct, frozen=True, tag_field="kind", tag="call.decided.v1"):
    """Whether the unit follows that version, for which bids, or the code and reason why not."""

    version: Instant
    decision: Literal["accepted", "declined"]
    code: str
    reason: str
    bids: dict[date, str]

    def apply(self, state: CallState) -> CallState:
        return _last(state, decision=self.decision, code=self.code, reason=self.reason, bids=self.bids)


class ResponseCallAnswered(msgspec.Struct, frozen=True, tag_field="kind", tag="call.answered.v1"):
    """The operator has our report of the decision, under `reference`."""

    version: Instant
    reference: str

    def apply(self, state: CallState) -> CallState:
        return _last(state, answer=self.reference)


class _OnCall(msgspec.Struct, frozen=True):
    name: Id

    @property
    def aggregate(self) -> str:
        return aggregate_of(self.name)

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class HearCall(_OnCall, frozen=True):
    """Record a version of a call."""

    call: Call

    def decide(self, state: CallState | None, _: Mapping[str, object]) -> tuple[ResponseCallHeard]:
        """Raises:
        Refused: `call_known` for a version that is on record, `call_version` for one that is older than, or
            other than, what is on record."""
        if state is not None and state.has(self.call.version, self.call.digest):
            raise Refused("call_known", f"version {self.call.version} is on record", place="version")
        told = [step.call for step in _steps(state) if step.call is not None]
        if told and self.call.version <= told[-1].version:
            wrong = f"version {told[-1].version} is on record; another one is newer"
            raise Refused("call_version", wrong, place="version")
        return (ResponseCallHeard(self.call, "changed" if told else "new"),)


class WithdrawCall(_OnCall, frozen=True):
    """Record that the operator does not have the call any more."""

    gateway: Id
    event: str
    before: Instant
    after_gate: bool

    def decide_at(
        self, now: datetime, state: CallState | None, _: Mapping[str, object]
    ) -> tuple[ResponseCallWithdrawn]:
        """Raises:
        Refused: `unknown_call`; `call_known` for one that is withdrawn, `call_version` when another version
            holds by now."""
        call = _standing(state, self.name).call
        if call is None:
            raise Refused("call_known", f"call {self.name} is withdrawn already", place="call")
        if call.version != self.before:
            raise Refused("call_version", f"version {call.version} holds by now", place="before")
        return (ResponseCallWithdrawn(self.gateway, self.event, self.before, now, self.after_gate),)


class RefuseCall(_OnCall, frozen=True):
    """Record that what the operator sent cannot be taken."""

    gateway: Id
    event: str
    refused: Unreadable

    def decide(self, state: CallState | None, _: Mapping[str, object]) -> tuple[ResponseCallRefused]:
        """Raises:
        Refused: `call_known` when just that is on record."""
        if state is not None and state.refuses(self.refused):
            raise Refused("call_known", "that is on record", place="call")
        text = self.refused.reason[:_TEXT_MAX]
        return (
            ResponseCallRefused(
                self.gateway, self.event[:_TEXT_MAX], msgspec.structs.replace(self.refused, reason=text)
            ),
        )


class DecideCall(_OnCall, frozen=True):
    """Decide whether the unit follows the version that was heard last."""

    version: Instant
    decision: Literal["accepted", "declined"]
    code: str = ""
    reason: str = ""
    bids: dict[date, str] = {}

    def decide(self, state: CallState | None, _: Mapping[str, object]) -> tuple[ResponseCallDecided]:
        """Raises:
        Refused: `unknown_call`, `call_version` for another version than the last one heard, `call_decided`;
            `call_decision` for a refusal without a code or an acceptance without a bid."""
        step = _standing(state, self.name)
        _check_version(step, self.version)
        if step.decision != "open":
            raise Refused("call_decided", f"call {self.name} is {step.decision} already", place="version")
        if (self.decision == "declined") != bool(self.code) or (self.decision == "accepted") != bool(
            self.bids
        ):
            wrong = "an accepted call names its bids, a declined one the code why"
            raise Refused("call_decision", wrong, place="decision")
        return (
            ResponseCallDecided(self.version, self.decision, self.code, self.reason[:_TEXT_MAX], self.bids),
        )


class AnswerCall(_OnCall, frozen=True):
    """Record that the operator was told what was decided."""

    version: Instant
    reference: str

    def decide(self, state: CallState | None, _: Mapping[str, object]) -> tuple[ResponseCallAnswered]:
        """Raises:
        Refused: `unknown_call`, `call_version`, `call_decided` before a decision or after an answer."""
        step = _standing(state, self.name)
        _check_version(step, self.version)
        if step.decision == "open" or step.answer is not None:
            wrong = "it is not decided yet" if step.decision == "open" else "it is answered already"
            raise Refused("call_decided", wrong, place="version")
        return (ResponseCallAnswered(self.version, self.reference),)


def _steps(state: CallState | None) -> tuple[Step, ...]:
    return () if state is None else state.steps


def _standing(state: CallState | None, name: str) -> Step:
    latest = None if state is None else state.latest
    if latest is None:
        raise Refused("unknown_call", f"no call {name!r} was heard", place="call")
    return latest


def _check_version(step: Step, version: datetime) -> None:
    if step.call is None or step.call.version != version:
        held = "it is withdrawn" if step.call is None else f"version {step.call.version} holds"
        raise Refused("call_version", held, place="version")


def _last(state: CallState, **changes: object) -> CallState:
    step = msgspec.structs.replace(state.steps[-1], **changes)
    return msgspec.structs.replace(state, steps=(*state.steps[:-1], step))
