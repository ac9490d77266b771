"""An exclusivity policy as a fact: the matrix that bids, plans and settlements of the book obey."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ledger.exclusivity.conflict import Conflicts
from ledger.exclusivity.policy import Policy
from ledger.identity import checked_id


class ExclusivityPublished(msgspec.Struct, frozen=True, tag_field="kind", tag="exclusivity.published.v1"):
    policy: Policy

    def apply(self, _: object) -> Policy:
        return self.policy


class PublishExclusivity(msgspec.Struct, frozen=True, tag_field="command", tag="exclusivity.publish"):
    """Record a policy, or its next version; contracts name the policy that they are settled under."""

    policy: Policy

    @property
    def aggregate(self) -> str:
        return f"exclusivity.{self.policy.id}"

    @property
    def reads(self) -> tuple[str, ...]:
        return ()

    def decide(self, _: object, __: Mapping[str, object]) -> tuple[ExclusivityPublished]:
        """Raises:
        Refused: `matrix_unassignable` for a matrix whose conflicts cannot be decided one by one."""
        checked_id(self.policy.id, "id")
        Conflicts(self.policy)
        return (ExclusivityPublished(self.policy),)
