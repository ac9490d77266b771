"""What a site's storage may be used for: the limits that a plan keeps, beyond the nameplate.

Stated by who answers for the site, in force from an instant. Nothing of it is guessed: a site without terms
is not planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from dispatch.optimiser.site import PLAN_STREAMS, PlanStream
from ledger.command import known
from ledger.effective import History, Period, extended
from ledger.identity import checked_id
from ledger.refusal import Refused
from ledger.site import Site

_PPM: Final = 10**6
_WHOLE_MAX: Final = 2**40
_PRICE_MAX: Final = 10**12


class StorageTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Power at the AC side in W, energy in the cells in Wh, efficiencies one way in millionths.

    Stored energy stays from `floor_wh` + `reserve_wh` (what a data centre's UPS must find) to `ceiling_wh`; a
    day may end with `end_wh`, softly. `import_w` and `export_w` are the grid connection's limits.
    `wear_micro` is 10^-6 of money per kWh of throughput, half on each direction. `day_discharge_wh` is what a
    local calendar day may take out of the cells (cycles), `ramp_w_per_min` how fast the setpoint may change;
    None is no such limit. `stream_permille` is what a stream's money counts for in plans, as the site's
    contracts want it: 1000 where it is not named.
    """

    charge_w: int
    discharge_w: int
    floor_wh: int
    ceiling_wh: int
    end_wh: int
    charge_ppm: int
    discharge_ppm: int
    import_w: int
    export_w: int
    reserve_wh: int = 0
    wear_micro: int = 0
    day_discharge_wh: int | None = None
    ramp_w_per_min: int | None = None
    stream_permille: dict[PlanStream, int] = {}

    def __post_init__(self) -> None:
        for place in ("floor_wh", "ceiling_wh", "end_wh", "reserve_wh", "import_w", "export_w"):
            if not 0 <= getattr(self, place) <= _WHOLE_MAX:
                raise Refused("storage_terms", f"0 to {_WHOLE_MAX}", place=place)
        for place in ("charge_w", "discharge_w"):
            if not 0 < getattr(self, place) <= _WHOLE_MAX:
                raise Refused("storage_terms", f"1 to {_WHOLE_MAX} W", place=place)
        for place in ("charge_ppm", "discharge_ppm"):
            if not 0 < getattr(self, place) <= _PPM:
                raise Refused("storage_terms", f"1 to {_PPM} millionths", place=place)
        if not self.floor_wh + self.reserve_wh < self.ceiling_wh:
            raise Refused("storage_terms", "above floor_wh and reserve_wh together", place="ceiling_wh")
        if not self.floor_wh + self.reserve_wh <= self.end_wh <= self.ceiling_wh:
            raise Refused("storage_terms", "from floor_wh + reserve_wh to ceiling_wh", place="end_wh")
        if not 0 <= self.wear_micro <= _PRICE_MAX:
            raise Refused("storage_terms", f"0 to {_PRICE_MAX} millionths per kWh", place="wear_micro")
        for place in ("day_discharge_wh", "ramp_w_per_min"):
            limit = getattr(self, place)
            if limit is not None and limit <= 0:
                raise Refused("storage_terms", "above 0, or left out", place=place)
        for stream, weight in self.stream_permille.items():
            place = f"stream_permille.{stream}"
            if stream not in PLAN_STREAMS:
                raise Refused("storage_terms", f"one of {', '.join(PLAN_STREAMS)}", place=place)
            if not 0 <= weight <= _PPM:
                raise Refused("storage_terms", f"0 to {_PPM} permille", place=place)


class StorageStated(msgspec.Struct, frozen=True, tag_field="kind", tag="storage.stated.v1"):
    period: Period
    terms: StorageTerms

    def apply(self, state: History[StorageTerms] | None) -> History[StorageTerms]:
        return extended(state, self.period, self.terms)


class StateStorage(msgspec.Struct, frozen=True):
    """State what a registered site's storage may be used for from an instant on."""

    site: str
    period: Period
    terms: StorageTerms

    @property
    def aggregate(self) -> str:
        return storage_aggregate(self.site)

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"site.{self.site}",)

    def decide(self, _: object, others: Mapping[str, object]) -> tuple[StorageStated]:
        """Raises:
        Refused: `unknown_site`; `storage_terms` for more than the storage's nameplate."""
        checked_id(self.site, "site")
        history: History[Site] = known(others, f"site.{self.site}", History)
        nameplate = history.latest.document
        for place, most in (
            ("charge_w", nameplate.storage_power_w),
            ("discharge_w", nameplate.storage_power_w),
            ("ceiling_wh", nameplate.storage_energy_wh),
        ):
            if getattr(self.terms, place) > most:
                raise Refused("storage_terms", f"up to the nameplate's {most}", place=place)
        return (StorageStated(self.period, self.terms),)


def storage_aggregate(site: str) -> str:
    """The aggregate that holds a site's terms."""
    return f"storage.{site}"
