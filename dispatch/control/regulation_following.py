"""A regulation signal followed every few seconds: each device's setpoint around its base, within its band."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from dispatch.control.reallocation import Capabilities, Shared, Whole, share_out
from ledger.refusal import Refused

SIGNAL_PPM_MAX: Final = 1_000_000
STEP_S: Final = 4
"""How often a signal comes; what a device may change in between is its ramp of one step."""


class RegulationBands(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The devices' bases and how far from them the signal may take each; W, above 0 discharging.

    A setpoint's intent on record covers its band (`Setpoint.band_w`), so that following it needs no other.
    """

    base_w: Whole
    band_w: Whole

    def __post_init__(self) -> None:
        if self.base_w.shape != self.band_w.shape or (self.band_w < 0).any():
            raise Refused("fleet_shape", "a band of at least 0 W for each base", place="band_w")


def asked_w(sold_w: int, signal_ppm: int) -> int:
    """What a signal makes of the band that was sold: W, above 0 up.

    >>> asked_w(30_000, 500_000), asked_w(30_000, -1_000_000)
    (15000, -30000)
    """
    size = sold_w * abs(signal_ppm) // SIGNAL_PPM_MAX
    return size if signal_ppm > 0 else -size


def follow_signal(signal_ppm: int, bands: RegulationBands, fleet: Capabilities, sold_w: int) -> Shared:
    """The setpoints for a signal from -1 000 000 (all down: charge) to 1 000 000 (all up), in millionths of
    the band `sold_w` that was sold, of which the devices may have less.

    Each device's share is by its headroom within band, ramp and live limits; what one cannot give, others do.
    `missing_w` is what nobody can.

    Raises:
        Refused: `signal`, `fleet_shape`.
    """
    if abs(signal_ppm) > SIGNAL_PPM_MAX:
        raise Refused("signal", f"-{SIGNAL_PPM_MAX} to {SIGNAL_PPM_MAX} millionths", place="signal_ppm")
    low, high = _reach(bands, fleet)
    target = int(bands.base_w.sum()) + asked_w(sold_w, signal_ppm)
    return share_out(target, msgspec.structs.replace(fleet, low_w=low, high_w=high))


def short_w(signal_ppm: int, bands: RegulationBands, fleet: Capabilities, sold_w: int) -> int:
    """How much of what the signal asks for lies beyond all bands and live limits, however long a ramp
    takes; at least 0."""
    low, high = _reach(bands, fleet)
    room = high - bands.base_w if signal_ppm > 0 else bands.base_w - low
    return max(abs(asked_w(sold_w, signal_ppm)) - int(room.sum()), 0)


def _reach(bands: RegulationBands, fleet: Capabilities) -> tuple[Whole, Whole]:
    if bands.base_w.shape != fleet.present_w.shape:
        raise Refused("fleet_shape", "a band for each device", place="band_w")
    low = np.clip(bands.base_w - bands.band_w, fleet.low_w, fleet.high_w)
    high = np.clip(bands.base_w + bands.band_w, fleet.low_w, fleet.high_w)
    return low, high
