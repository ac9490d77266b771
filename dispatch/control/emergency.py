"""Emergencies: stop everything, hold, limit export, respond now. They come before every plan.

One aggregate a book, so that no order is overlooked. A stop is ended by another person than who ordered it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, assert_never, get_args

import msgspec

from dispatch.control.setpoint import POWER_W_MAX
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

AGGREGATE: Final = "emergency.book"

EmergencyKind = Literal["stop_all", "limit_export", "hold", "respond_now"]
"""The strongest first: 0 W; no more out of each site than `power_w`; the setpoint that stands; `power_w` from
all of them together, above 0 discharging."""
ScopeKind = Literal["book", "site", "device"]

KINDS: Final[tuple[EmergencyKind, ...]] = get_args(EmergencyKind)
_REASON_MAX: Final = 2000
_NAMES_MAX: Final = 5000
_NAMED: Final = 10


class Scope(msgspec.Struct, frozen=True):
    """Everything, or the sites or devices of those names."""

    kind: ScopeKind
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(ScopeKind):
            raise Refused("not_allowed", f"one of {', '.join(get_args(ScopeKind))}", place="scope.kind")
        if (self.kind == "book") == bool(self.names) or len(self.names) > _NAMES_MAX:
            wrong = f"1 to {_NAMES_MAX} names of sites or devices; none for the whole book"
            raise Refused("emergency_scope", wrong, place="scope.names")
        for name in self.names:
            checked_id(name, "scope.names")

    def covers(self, device: str, site: str) -> bool:
        match self.kind:
            case "book":
                return True
            case "site":
                return site in self.names
            case "device":
                return device in self.names


class EmergencyOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What is ordered for whom; up to `until` where that is stated, else until somebody ends it."""

    kind: EmergencyKind
    scope: Scope
    power_w: int | None = None
    until: Instant | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Refused("not_allowed", f"one of {', '.join(KINDS)}", place="kind")
        if (self.kind in ("limit_export", "respond_now")) != (self.power_w is not None):
            raise Refused("emergency_power", "W to limit export or to respond; else none", place="power_w")
        low = 0 if self.kind == "limit_export" else -POWER_W_MAX
        if self.power_w is not None and not low <= self.power_w <= POWER_W_MAX:
            raise Refused("emergency_power", f"{low} to {POWER_W_MAX} W", place="power_w")
        if self.until is not None and self.until.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="until")
        if self.kind == "stop_all" and self.until is not None:
            raise Refused("emergency_until", "a stop stands until a person ends it", place="until")


class Emergency(msgspec.Struct, frozen=True):
    number: int
    order: EmergencyOrder
    by: str
    reason: str
    at: Instant


class Emergencies(msgspec.Struct, frozen=True):
    """Those that nobody ended, and how many there ever were."""

    count: int = 0
    open: tuple[Emergency, ...] = ()

    def standing(self, device: str, site: str, now: datetime) -> tuple[Emergency, ...]:
        """Those in force for a device, the strongest first; of equal ones the newest."""
        found = [
            one
            for one in self.open
            if one.order.scope.covers(device, site) and (one.order.until is None or now < one.order.until)
        ]
        return tuple(sorted(found, key=lambda one: (KINDS.index(one.order.kind), -one.number)))

    def same(self, order: EmergencyOrder, by: str, now: datetime) -> tuple[Emergency, ...]:
        """Those in force that order the same of the same, by whom: in whatever order they are named."""
        return tuple(
            one
            for one in self.open
            if one.by == by
            and (one.order.until is None or now < one.order.until)
            and _unordered(one.order) == _unordered(order)
        )


class EmergencyOrdered(msgspec.Struct, frozen=True, tag_field="kind", tag="emergency.ordered.v1"):
    number: int
    order: EmergencyOrder
    by: str
    reason: str
    at: Instant

    def apply(self, state: Emergencies | None) -> Emergencies:
        before = state or Emergencies()
        made = Emergency(self.number, self.order, self.by, self.reason, self.at)
        left = (one for one in before.open if one.order.until is None or self.at < one.order.until)
        return Emergencies(self.number, (*left, made))


class EmergencyEnded(msgspec.Struct, frozen=True, tag_field="kind", tag="emergency.ended.v1"):
    number: int
    by: str
    reason: str
    at: Instant

    def apply(self, state: Emergencies) -> Emergencies:
        left = tuple(one for one in state.open if one.number != self.number)
        return msgspec.structs.replace(state, open=left)


class OrderEmergency(msgspec.Struct, frozen=True):
    """Order an emergency; nobody need be asked. Who it names is registered: a name that is misspelt would
    stop nothing, and nobody would know. The same again, from the same person for the same reason, is the one
    that stands: a second one would stand on when that is ended."""

    order: EmergencyOrder
    by: str
    reason: str

    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        scope = self.order.scope
        match scope.kind:
            case "book":
                return ()
            case "site" | "device":
                return tuple(f"{scope.kind}.{name}" for name in dict.fromkeys(scope.names))
            case _:
                assert_never(scope.kind)

    def decide_at(
        self, now: datetime, state: Emergencies | None, others: Mapping[str, object]
    ) -> tuple[EmergencyOrdered]:
        """Raises:
        Refused: `id`, `reason`; `unknown_device`, `unknown_site` for a name of the scope that is not
            registered; `emergency_until` when that is past; `exists` names the one that stands."""
        checked_id(self.by, "by")
        unknown = [one.partition(".")[2] for one in self.reads if others.get(one) is None]
        if unknown:
            kind, named = self.order.scope.kind, ", ".join(unknown[:_NAMED])
            wrong = f"not registered as a {kind}: {named}; nothing was ordered"
            raise Refused(f"unknown_{kind}", wrong, place="scope.names")
        if self.order.until is not None and self.order.until <= now:
            raise Refused("emergency_until", "that is past already", place="until")
        before, reason = state or Emergencies(), _checked_reason(self.reason)
        for one in before.same(self.order, self.by, now):
            if one.reason == reason:
                wrong = f"emergency {one.number} stands, ordered at {one.at.isoformat()}: it needs no other"
                raise Refused("exists", wrong, place="kind")
        return (EmergencyOrdered(before.count + 1, self.order, self.by, reason, now),)


class EndEmergency(msgspec.Struct, frozen=True):
    """End one emergency; plans hold again."""

    number: int
    by: str
    reason: str

    @property
    def aggregate(self) -> str:
        return AGGREGATE

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide_at(
        self, now: datetime, state: Emergencies | None, _: Mapping[str, object]
    ) -> tuple[EmergencyEnded]:
        """Raises:
        Refused: `id`, `reason`, `unknown_emergency`; `four_eyes` when who ordered a stop would end it."""
        checked_id(self.by, "by")
        standing = () if state is None else state.open
        found = next((one for one in standing if one.number == self.number), None)
        if found is None:
            raise Refused("unknown_emergency", f"no emergency {self.number} stands", place="number")
        if found.order.kind == "stop_all" and found.by == self.by:
            raise Refused("four_eyes", f"{self.by} ordered this stop; another must end it", place="actor")
        return (EmergencyEnded(self.number, self.by, _checked_reason(self.reason), now),)


def _unordered(order: EmergencyOrder) -> tuple[object, ...]:
    return order.kind, order.scope.kind, frozenset(order.scope.names), order.power_w, order.until


def _checked_reason(text: str) -> str:
    if not 0 < len(text.strip()) <= _REASON_MAX:
        raise Refused("reason", f"say why, in at most {_REASON_MAX} characters", place="reason")
    return text
