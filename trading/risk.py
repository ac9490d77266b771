"""The desk's rules: limits, who must approve what, and the switch that stops everything.

One policy a book, a file of examples/risk; a change is prepared by one person and takes effect when another
approves it. The switch is pulled by one and put back by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Final, Literal

import msgspec

from ledger.clauses.flow import one_of
from ledger.clauses.share import Amount, amount
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.quantity import MINOR_DIGITS
from ledger.refusal import Refused
from trading.product import Id, Kind

AGGREGATE: Final = "risk.desk"

Measure = Literal["volume_wh", "exposure", "imbalance", "margin"]
"""volume_wh: energy that may be traded. exposure: the most that may have to be paid for it. imbalance: the
worst deviation at the market's worst price. margin: exposure and imbalance together, against credit."""
Each = Literal["user", "unit", "product", "market", "counterparty"]
Span = Literal["day", "open"]
"""day: all bids for one delivery day. open: all whose result can still change."""

LIMIT_ID_MAX: Final = 24
_REASON_MAX: Final = 2000
_PERSONS_MAX: Final = 3


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `most` of a measure, in Wh or major units of `currency`, for each of what `each` names.

    With `only` the limit is for those values of `each` alone.
    """

    id: Id
    measure: Measure
    each: Each
    span: Span
    most: Amount
    currency: str | None = None
    only: tuple[Id, ...] = ()

    def __post_init__(self) -> None:
        checked_id(self.id, "id")
        if len(self.id) > LIMIT_ID_MAX:
            raise Refused("id", f"at most {LIMIT_ID_MAX} characters", place="id")
        one_of(self.measure, Measure, "measure")
        one_of(self.each, Each, "each")
        one_of(self.span, Span, "span")
        most = amount(self.most, "most")
        for one in self.only:
            checked_id(one, "only")
        if self.measure == "volume_wh":
            if self.currency is not None or most.denominator != 1:
                raise Refused("limit", "a volume is whole Wh and has no currency", place="currency")
        elif self.currency not in MINOR_DIGITS:
            raise Refused("currency", f"one of {', '.join(MINOR_DIGITS)}", place="currency")

    @property
    def most_exact(self) -> Fraction:
        return amount(self.most, "most")

    def applies(self, value: str, currency: str) -> bool:
        """Whether the limit is about that user, unit, ... in a market of that currency."""
        return (not self.only or value in self.only) and self.currency in (None, currency)


class ApprovalRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bids of those kinds with an exposure of `above` or more need so many other persons' approval.

    The largest number of all rules that apply counts. 0 lets a bid go by its author's word.
    """

    kinds: tuple[Kind, ...]
    above: Amount = "0"
    persons: int = 1

    def __post_init__(self) -> None:
        if not self.kinds:
            raise Refused("empty", "state for which kinds of products", place="kinds")
        for kind in self.kinds:
            one_of(kind, Kind, "kinds")
        amount(self.above, "above")
        if not 0 <= self.persons <= _PERSONS_MAX:
            raise Refused("not_allowed", f"0 to {_PERSONS_MAX} persons", place="persons")


class RiskPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`exclusivity`: the matrix by which bids are decided. A bid that no rule covers needs one other
    person's approval."""

    exclusivity: Id
    limits: tuple[Limit, ...] = ()
    approvals: tuple[ApprovalRule, ...] = ()

    def __post_init__(self) -> None:
        checked_id(self.exclusivity, "exclusivity")
        names = [limit.id for limit in self.limits]
        if len(set(names)) != len(names):
            raise Refused("limit", "each limit has an id of its own", place="limits")

    def persons(self, kind: Kind, exposure: Fraction) -> int:
        """How many others must approve a bid."""
        found = [
            rule.persons
            for rule in self.approvals
            if kind in rule.kinds and exposure >= amount(rule.above, "above")
        ]
        return max(found, default=1)


class Pulled(msgspec.Struct, frozen=True):
    by: str
    reason: str
    at: Instant


class Desk(msgspec.Struct, frozen=True):
    """The policy in force, one that waits for a second person, and the switch.

    `pulled` is the last stop, `stops` all since trading last went on, the oldest first. `retired`: limits of
    earlier policies that are not in force. What bids use of them goes on being kept, so that one that is put
    back counts what still stands of what it counted before, and nothing that ended.
    """

    policy: RiskPolicy | None = None
    prepared: RiskPolicy | None = None
    prepared_by: str = ""
    pulled: Pulled | None = None
    retired: tuple[Limit, ...] = ()
    stops: tuple[Pulled, ...] = ()


class PolicyPrepared(msgspec.Struct, frozen=True, tag_field="kind", tag="risk.policy_prepared.v1"):
    policy: RiskPolicy
    by: str

    def apply(self, state: Desk | None) -> Desk:
        return msgspec.structs.replace(state or Desk(), prepared=self.policy, prepared_by=self.by)


class PolicyApproved(msgspec.Struct, frozen=True, tag_field="kind", tag="risk.policy_approved.v1"):
    policy: RiskPolicy
    by: str

    def apply(self, state: Desk | None) -> Desk:
        before = state or Desk()
        names = {limit.id for limit in self.policy.limits}
        known = {
            limit.id: limit for limit in (*before.retired, *(before.policy.limits if before.policy else ()))
        }
        return msgspec.structs.replace(
            before,
            policy=self.policy,
            prepared=None,
            prepared_by="",
            retired=tuple(limit for name, limit in sorted(known.items()) if name not in names),
        )


class TradingStopped(msgspec.Struct, frozen=True, tag_field="kind", tag="risk.trading_stopped.v1"):
    by: str
    reason: str
    at: Instant

    def apply(self, state: Desk | None) -> Desk:
        before, pulled = state or Desk(), Pulled(self.by, self.reason, self.at)
        return msgspec.structs.replace(before, pulled=pulled, stops=(*before.stops, pulled))


class TradingResumed(msgspec.Struct, frozen=True, tag_field="kind", tag="risk.trading_resumed.v1"):
    by: str
    reason: str

    def apply(self, state: Desk) -> Desk:
        return msgspec.structs.replace(state, pulled=None, stops=())


class _DeskCommand(msgspec.Struct, frozen=True):
    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        return ()


class PreparePolicy(_DeskCommand, frozen=True):
    """Prepare a policy; another person approves it."""

    policy: RiskPolicy
    by: str

    def decide(self, _: Desk | None, __: Mapping[str, object]) -> tuple[PolicyPrepared]:
        checked_id(self.by, "by")
        return (PolicyPrepared(self.policy, self.by),)


class ApprovePolicy(_DeskCommand, frozen=True):
    """Put the prepared policy in force; `policy` is what the approver has seen."""

    policy: RiskPolicy
    by: str

    def decide(self, state: Desk | None, _: Mapping[str, object]) -> tuple[PolicyApproved]:
        """Raises:
        Refused: `risk_policy` when nothing waits or something else does, `four_eyes`."""
        checked_id(self.by, "by")
        if state is None or state.prepared is None:
            raise Refused("risk_policy", "no policy waits for approval", place="policy")
        if state.prepared != self.policy:
            raise Refused("risk_policy", "another policy waits by now: read it first", place="policy")
        _other(self.by, state.prepared_by, "prepared")
        return (PolicyApproved(self.policy, self.by),)


class StopTrading(_DeskCommand, frozen=True):
    """Pull the switch: nothing is submitted or sent any more; whoever pulls it need not ask."""

    by: str
    reason: str

    def decide_at(self, now: datetime, _: Desk | None, __: Mapping[str, object]) -> tuple[TradingStopped]:
        """Raises:
        Refused: `reason`."""
        checked_id(self.by, "by")
        return (TradingStopped(self.by, checked_reason(self.reason), now),)


class ResumeTrading(_DeskCommand, frozen=True):
    """Put the switch back; not by anybody who pulled it since trading last went on."""

    by: str
    reason: str

    def decide(self, state: Desk | None, _: Mapping[str, object]) -> tuple[TradingResumed]:
        """Raises:
        Refused: `kill_switch` when it is not pulled, `four_eyes`, `reason`."""
        checked_id(self.by, "by")
        if state is None or state.pulled is None:
            raise Refused("kill_switch", "trading is not stopped", place="switch")
        for stop in state.stops:
            _other(self.by, stop.by, "stopped")
        return (TradingResumed(self.by, checked_reason(self.reason)),)


def checked_reason(text: str) -> str:
    """Raises:
    Refused: `reason`."""
    if not 0 < len(text.strip()) <= _REASON_MAX:
        raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")
    return text


def _other(person: str, first: str, did: str) -> None:
    if person == first:
        raise Refused("four_eyes", f"{person} {did} this; another must decide", place="actor")


def check_running(desk: object) -> None:
    """Raises:
    Refused: `kill_switch` while trading is stopped."""
    if isinstance(desk, Desk) and desk.pulled is not None:
        why = "; ".join(f"{stop.by} stopped trading: {stop.reason}" for stop in desk.stops)
        raise Refused("kill_switch", why, place="switch")


def known_limits(desk: object) -> RiskPolicy:
    """The policy in force with the limits of earlier ones beside: of which of them what is used is kept.

    Raises:
        Refused: `risk_policy_missing`.
    """
    policy = policy_of(desk)
    assert isinstance(desk, Desk), "a policy is in force"
    return msgspec.structs.replace(policy, limits=(*policy.limits, *desk.retired))


def policy_of(desk: object) -> RiskPolicy:
    """The policy in force.

    Raises:
        Refused: `risk_policy_missing`: a desk without limits and approvals does not trade.
    """
    if not isinstance(desk, Desk) or desk.policy is None:
        raise Refused("risk_policy_missing", "no risk policy is in force: state one first", place="desk")
    return desk.policy
