"""What a site can do for a time at most: a lost site, half a converter, a grid company's order.

A later record of the site replaces an earlier one where both hold; one without any limit lifts what was
imposed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.site import Site

_WHOLE_MAX: Final = 2**40
_FIELDS: Final = ("charge_w", "discharge_w", "import_w", "export_w")


class ImposedLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Power in W that is left at the storage's AC side and at the meter; None: what the terms say.

    A site is lost while its storage can neither charge nor discharge.
    """

    reason: str
    charge_w: int | None = None
    discharge_w: int | None = None
    import_w: int | None = None
    export_w: int | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise Refused("empty", "say why the limit is imposed, or lifted", place="reason")
        for place in _FIELDS:
            limit = getattr(self, place)
            if limit is not None and not 0 <= limit <= _WHOLE_MAX:
                raise Refused("imposed_limit", f"0 to {_WHOLE_MAX} W, or left out", place=place)

    @property
    def lost(self) -> bool:
        """Whether nothing of the storage runs."""
        return self.charge_w == 0 and self.discharge_w == 0


class LimitImposed(msgspec.Struct, frozen=True, tag_field="kind", tag="storage.limited.v1"):
    period: Period
    limit: ImposedLimit

    def apply(self, state: History[ImposedLimit] | None) -> History[ImposedLimit]:
        return extended(state, self.period, self.limit)


class ImposeLimit(msgspec.Struct, frozen=True):
    """Impose a limit on a registered site's storage or meter for a time, or lift what was imposed."""

    site: str
    period: Period
    limit: ImposedLimit

    @property
    def aggregate(self) -> str:
        return limit_aggregate(self.site)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.site}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[LimitImposed]:
        """Raises:
        Refused: `unknown_site`."""
        checked_id(self.site, "site")
        found: History[Site] = known(others, f"site.{self.site}", History)
        assert found.versions, "a registered site has a version"
        return (LimitImposed(self.period, self.limit),)


def limit_aggregate(site: str) -> str:
    """The aggregate that holds what is imposed on a site."""
    return f"storage_limit.{site}"
