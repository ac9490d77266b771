"""What a portfolio's plan is made from, whole: its sites' cases, and a digest of their numbers."""

from __future__ import annotations

import hashlib

import msgspec
import numpy as np

from adapters.planning.portfolio import Horizon
from adapters.planning.streams import Streams
from adapters.planning.taken import Taken
from adapters.queries.recorded_plans import RecordedPlan
from dispatch.plan_check import SiteLimits
from dispatch.planning.site_case import SiteCase
from ledger.refusal import Refused


class Cases(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """`cases` leave room for what is `taken`; `whole` are the same sites' limits without it.

    `guarded` are the cases as they are to be solved: with the energy that is kept so that the peak in
    `peak_w` can be held. A plan that has to use it is none the worse for that.
    `discharged_wh`: see `PlanHead`.
    `reasons` say what is done about commitments otherwise than was sold.
    `before` is the plan that holds at the start, `number` how many of the day there are by now. `refused`:
    the sites that cannot be planned, and why. `position`: the sequence number up to which the book was read.
    """

    position: int
    horizon: Horizon
    cases: tuple[SiteCase, ...]
    guarded: tuple[SiteCase, ...]
    peak_w: dict[str, int]
    discharged_wh: dict[str, int]
    streams: Streams
    whole: tuple[SiteLimits, ...]
    taken: dict[str, Taken]
    reasons: tuple[str, ...]
    refused: tuple[Refused, ...]
    rests_on: tuple[str, ...]
    notes: tuple[str, ...]
    before: RecordedPlan | None
    number: int

    def digest(self, *also: str) -> str:
        """SHA-256 of all numbers that a plan is made from; not of the plans before it."""
        found = hashlib.sha256(" ".join((*also, self.horizon.start.isoformat())).encode())
        if self.streams.spot is not None:
            found.update(f"spot={self.streams.spot.most_w};".encode())
            found.update(np.ascontiguousarray(self.streams.spot.price_micro).tobytes())
        if self.streams.regulation is not None:
            terms = self.streams.regulation
            found.update(f"regulation={terms.sustain_s} {terms.call_wh} {terms.least_w};".encode())
            found.update(terms.block.tobytes() + terms.price_micro.tobytes())
        found.update(f"rules={self.streams.matrix.rules};".encode())
        for case, guarded, whole in zip(self.cases, self.guarded, self.whole, strict=True):
            for struct in (
                case,
                case.limits,
                guarded,
                guarded.limits,
                whole,
                self.taken.get(case.id, Taken.nothing(0)),
            ):
                for name in struct.__struct_fields__:
                    value = getattr(struct, name)
                    if isinstance(value, np.ndarray):
                        found.update(f"{name}:".encode() + np.ascontiguousarray(value).tobytes())
                    elif isinstance(value, frozenset):
                        found.update(f"{name}={sorted(value)};".encode())
                    elif not isinstance(value, msgspec.Struct):
                        found.update(f"{name}={value};".encode())
        return found.hexdigest()
