"""Work orders and service requests: opened, assigned with a due time, done, rated.

When the storage stood still for the work is told as it is done; ledger/work_figures.py makes availability,
service and satisfaction of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from ledger.command import known
from ledger.device import Device
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import Instant
from ledger.refusal import Refused

WorkKind = Literal["maintenance", "repair", "inspection", "request"]
WorkStatus = Literal["open", "assigned", "done", "rated", "cancelled"]
RATING_MAX: Final = 5
_TEXT_MAX: Final = 2000
_OUTAGES_MAX: Final = 100


class Outage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """[start, end), in which the device, or the whole site where the order names none, was not available."""

    start: Instant
    end: Instant

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="outages")
        if self.end <= self.start:
            raise Refused("interval", f"end {self.end} is not after start {self.start}", place="outages")


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """`planned`: agreed beforehand, not because something failed. `alarm`: the kind that it answers, if any.

    Empty or None is what did not happen yet.
    """

    id: str
    site: str
    device: str
    kind: WorkKind
    planned: bool
    title: str
    alarm: str
    opened_by: str
    opened_at: Instant
    status: WorkStatus = "open"
    party: str = ""
    due: Instant | None = None
    done_at: Instant | None = None
    done_by: str = ""
    evidence: str = ""
    outages: tuple[Outage, ...] = ()
    rating: int | None = None
    rated_by: str = ""
    comment: str = ""
    reason: str = ""

    @property
    def on_time(self) -> bool | None:
        """Whether it was done by its due time; None where it is not done."""
        return None if self.done_at is None or self.due is None else self.done_at <= self.due


class WorkOpened(msgspec.Struct, frozen=True, tag_field="kind", tag="work.opened.v1"):
    order: WorkOrder

    def apply(self, _: WorkOrder | None) -> WorkOrder:
        return self.order


class WorkAssigned(msgspec.Struct, frozen=True, tag_field="kind", tag="work.assigned.v1"):
    party: str
    due: Instant
    by: str
    at: Instant

    def apply(self, state: WorkOrder) -> WorkOrder:
        return msgspec.structs.replace(state, status="assigned", party=self.party, due=self.due)


class WorkDone(msgspec.Struct, frozen=True, tag_field="kind", tag="work.done.v1"):
    done_at: Instant
    outages: tuple[Outage, ...]
    evidence: str
    by: str

    def apply(self, state: WorkOrder) -> WorkOrder:
        return msgspec.structs.replace(
            state,
            status="done",
            done_at=self.done_at,
            done_by=self.by,
            outages=self.outages,
            evidence=self.evidence,
        )


class WorkRated(msgspec.Struct, frozen=True, tag_field="kind", tag="work.rated.v1"):
    rating: int
    comment: str
    by: str
    at: Instant

    def apply(self, state: WorkOrder) -> WorkOrder:
        return msgspec.structs.replace(
            state, status="rated", rating=self.rating, rated_by=self.by, comment=self.comment
        )


class WorkCancelled(msgspec.Struct, frozen=True, tag_field="kind", tag="work.cancelled.v1"):
    reason: str
    by: str
    at: Instant

    def apply(self, state: WorkOrder) -> WorkOrder:
        return msgspec.structs.replace(state, status="cancelled", reason=self.reason)


WorkEvent = WorkOpened | WorkAssigned | WorkDone | WorkRated | WorkCancelled


class _OnWork(msgspec.Struct, frozen=True):
    order: str
    by: str

    @property
    def aggregate(self) -> str:
        return f"work.{self.order}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def _found(self, state: WorkOrder | None, *statuses: WorkStatus) -> WorkOrder:
        checked_id(self.order, "order")
        checked_id(self.by, "by")
        if state is None:
            raise Refused("unknown_work", f"no work order {self.order!r} was opened", place="order")
        if state.status not in statuses:
            wrong = f"{self.order} is {state.status}, and has to be {' or '.join(statuses)}"
            raise Refused("work_status", wrong, place="order")
        return state


class OpenWork(_OnWork, frozen=True, kw_only=True):
    """Open a work order, or a request for service, at a site or at one of its devices."""

    site: str
    kind: WorkKind
    planned: bool
    title: str
    device: str = ""
    alarm: str = ""

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.site}", *((f"device.{self.device}",) if self.device else ()))

    def decide_at(
        self, now: datetime, state: WorkOrder | None, others: Mapping[str, object]
    ) -> tuple[WorkOpened]:
        """Raises:
        Refused: `id`, `exists`, `unknown_site`, `unknown_device`, `not_allowed`, `reason`; `device_elsewhere`
            for one that stands at another site."""
        checked_id(self.order, "order")
        checked_id(self.by, "by")
        checked_id(self.site, "site")
        if state is not None:
            raise Refused("exists", f"work order {self.order} was opened already", place="order")
        if self.kind not in get_args(WorkKind):
            raise Refused("not_allowed", f"one of {', '.join(get_args(WorkKind))}", place="kind")
        known(others, f"site.{self.site}", History)
        if self.device:
            checked_id(self.device, "device")
            device: Device = known(others, f"device.{self.device}", History).latest.document
            if device.site != self.site:
                wrong = f"{self.device} stands at site {device.site}"
                raise Refused("device_elsewhere", wrong, place="device")
        if self.alarm:
            checked_id(self.alarm, "alarm")
        order = WorkOrder(
            id=self.order,
            site=self.site,
            device=self.device,
            kind=self.kind,
            planned=self.planned,
            title=_checked_text(self.title, "title"),
            alarm=self.alarm,
            opened_by=self.by,
            opened_at=now,
        )
        return (WorkOpened(order),)


class AssignWork(_OnWork, frozen=True, kw_only=True):
    """Assign an order to a party, due at an instant; or to another one, or with another due time."""

    party: str
    due: Instant

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"party.{self.party}",)

    def decide_at(
        self, now: datetime, state: WorkOrder | None, others: Mapping[str, object]
    ) -> tuple[WorkAssigned]:
        """Raises:
        Refused: `id`, `unknown_work`, `work_status`, `unknown_party`, `naive_time`; `work_due` when it is
        past
            already."""
        self._found(state, "open", "assigned")
        checked_id(self.party, "party")
        known(others, f"party.{self.party}", History)
        if self.due.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="due")
        if self.due <= now:
            raise Refused("work_due", f"{self.due} is past: after {now}", place="due")
        return (WorkAssigned(self.party, self.due, self.by, now),)


class FinishWork(_OnWork, frozen=True, kw_only=True):
    """Tell that an assigned order was done at `done_at`, and when the storage stood still for it."""

    done_at: Instant
    evidence: str
    outages: tuple[Outage, ...] = ()

    def decide_at(self, now: datetime, state: WorkOrder | None, _: Mapping[str, object]) -> tuple[WorkDone]:
        """Raises:
        Refused: `id`, `unknown_work`, `work_status`, `naive_time`, `time_ahead`, `reason`; `work_outage` for
            more than 100 outages, or one that ends after the work."""
        self._found(state, "assigned")
        if self.done_at.tzinfo is None:
            raise Refused("naive_time", "an instant needs its UTC offset", place="done_at")
        if self.done_at > now:
            raise Refused("time_ahead", f"{self.done_at} is after {now}", place="done_at")
        if len(self.outages) > _OUTAGES_MAX or any(one.end > self.done_at for one in self.outages):
            wrong = f"at most {_OUTAGES_MAX}, each over when the work is done"
            raise Refused("work_outage", wrong, place="outages")
        evidence = _checked_text(self.evidence, "evidence")
        return (WorkDone(self.done_at, self.outages, evidence, self.by),)


class RateWork(_OnWork, frozen=True, kw_only=True):
    """Rate what was done, from 1 (bad) to 5, once, and by another than who told that it was done."""

    rating: int
    comment: str = ""

    def decide_at(self, now: datetime, state: WorkOrder | None, _: Mapping[str, object]) -> tuple[WorkRated]:
        """Raises:
        Refused: `id`, `unknown_work`, `work_status`, `work_rating`; `own_rating`."""
        found = self._found(state, "done")
        if not 1 <= self.rating <= RATING_MAX:
            raise Refused("work_rating", f"1 to {RATING_MAX}", place="rating")
        if len(self.comment) > _TEXT_MAX:
            raise Refused("reason", f"up to {_TEXT_MAX} characters", place="comment")
        if found.done_by == self.by:
            raise Refused("own_rating", f"{self.by} told that it was done: another rates it", place="by")
        return (WorkRated(self.rating, self.comment, self.by, now),)


class CancelWork(_OnWork, frozen=True, kw_only=True):
    """Cancel an order that is not done."""

    reason: str

    def decide_at(
        self, now: datetime, state: WorkOrder | None, _: Mapping[str, object]
    ) -> tuple[WorkCancelled]:
        """Raises:
        Refused: `id`, `unknown_work`, `work_status`, `reason`."""
        self._found(state, "open", "assigned")
        return (WorkCancelled(_checked_text(self.reason, "reason"), self.by, now),)


def _checked_text(text: str, place: str) -> str:
    if not 0 < len(text.strip()) <= _TEXT_MAX:
        raise Refused("reason", f"say it in 1 to {_TEXT_MAX} characters", place=place)
    return text
