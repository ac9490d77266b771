"""Milestones of a site: grid-code status and project, each with when it is due, when it was reached, and
proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final, Literal, get_args

import msgspec

from ledger.command import known
from ledger.effective import History
from ledger.identity import checked_id
from ledger.interval import zone_of
from ledger.refusal import Refused
from ledger.site import Site

MilestoneKind = Literal[
    "grid_application",
    "grid_approval",
    "grid_code_test",
    "grid_code_compliance",
    "dispatch_agreement",
    "construction_start",
    "equipment_delivered",
    "installed",
    "commissioned",
    "commercial_operation",
    "end_of_life",
]
KINDS: Final[tuple[MilestoneKind, ...]] = get_args(MilestoneKind)
_TEXT_MAX: Final = 2000


class Milestone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Local days of the site; `done` is None until it was reached, and `evidence` then proves it."""

    kind: MilestoneKind
    due: date | None = None
    done: date | None = None
    evidence: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Refused("not_allowed", f"one of {', '.join(KINDS)}", place="kind")
        if self.due is None and self.done is None:
            raise Refused("milestone", "say when it is due, or when it was reached", place="due")
        if self.done is not None and not self.evidence.strip():
            raise Refused(
                "evidence", "state what proves it, such as the grid company's letter", place="evidence"
            )
        if len(self.evidence) > _TEXT_MAX:
            raise Refused("evidence", f"up to {_TEXT_MAX} characters", place="evidence")


class MilestoneStated(msgspec.Struct, frozen=True, tag_field="kind", tag="site.milestone_stated.v1"):
    """A newer statement of the same site and kind replaces the one before."""

    site: str
    milestone: Milestone
    by: str

    def apply(self, state: dict[str, Milestone] | None) -> dict[str, Milestone]:
        return {**(state or {}), self.milestone.kind: self.milestone}


class StateMilestone(msgspec.Struct, frozen=True):
    """State when a milestone of a site is due or was reached."""

    site: str
    milestone: Milestone
    by: str

    @property
    def aggregate(self) -> str:
        return f"milestone.{self.site}"

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.site}",)

    def decide_at(self, now: datetime, _: object, others: Mapping[str, object]) -> tuple[MilestoneStated]:
        """Raises:
        Refused: `id`, `unknown_site`; `time_ahead` for one that was reached after today."""
        checked_id(self.site, "site")
        checked_id(self.by, "by")
        site: Site = known(others, f"site.{self.site}", History).latest.document
        today = now.astimezone(zone_of(site.zone)).date()
        if self.milestone.done is not None and self.milestone.done > today:
            raise Refused("time_ahead", f"{self.milestone.done} is after {today}", place="done")
        return (MilestoneStated(self.site, self.milestone, self.by),)
