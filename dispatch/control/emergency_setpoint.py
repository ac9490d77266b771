"""What the devices of a site are told in place of their plans while emergencies stand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from dispatch.control.emergency import Emergency
from dispatch.control.site_load import PowerRange
from ledger.split import largest_remainder


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the site: W at its AC side, above 0 discharging.

    `wish_w` is its plan's. `standing_w` is the setpoint that it has, `power_w` what it does; None is not
    known. `response_w` is its share of a response (`dispatch.control.reallocation`). `emergencies` are those
    in force for it, the strongest first (`Emergencies.standing`).
    """

    device: str
    wish_w: int
    standing_w: int | None
    power_w: int | None
    response_w: int | None = None
    emergencies: tuple[Emergency, ...] = ()


class Governed(msgspec.Struct, frozen=True):
    """A device's setpoint, and the numbers of the emergencies that decided it; none where its plan holds."""

    device: str
    setpoint_w: int
    by: tuple[int, ...] = ()


def govern(devices: Sequence[Wished], load: PowerRange | None) -> tuple[Governed, ...]:
    """The site's setpoints. `load` is what it draws behind the devices, above 0 importing.

    A response replaces the plan, a hold both, a stop all. A hold of an unknown setpoint, and a response
    without a share, are 0. An export limit then cuts what is discharged, by the devices' shares of it; nobody
    is made to charge by it. Where the site's or a device's power is not known, nothing is discharged under
    it, as nobody could say what leaves the site.
    """
    governed = [_alone(one) for one in devices]
    limits = {
        one.number: one
        for device in devices
        for one in device.emergencies
        if one.order.kind == "limit_export"
    }
    for number, limit in sorted(limits.items()):
        assert limit.order.power_w is not None, "a limit has its power"
        under = [n for n, device in enumerate(devices) if any(e.number == number for e in device.emergencies)]
        cut = _cut(devices, [one.setpoint_w for one in governed], under, load, limit.order.power_w)
        for n, setpoint in zip(under, cut, strict=True):
            before = governed[n]
            if setpoint != before.setpoint_w:
                governed[n] = Governed(before.device, setpoint, (*before.by, number))
    return tuple(governed)


def _alone(one: Wished) -> Governed:
    """By what needs no look at the rest of the site: the strongest of stop, hold and response."""
    for emergency in one.emergencies:
        match emergency.order.kind:
            case "stop_all":
                return Governed(one.device, 0, (emergency.number,))
            case "hold":
                return Governed(one.device, one.standing_w or 0, (emergency.number,))
            case "respond_now":
                return Governed(one.device, one.response_w or 0, (emergency.number,))
            case "limit_export":
                continue
    return Governed(one.device, one.wish_w)


def _cut(
    devices: Sequence[Wished],
    setpoints: Sequence[int],
    under: Sequence[int],
    load: PowerRange | None,
    most_w: int,
) -> list[int]:
    """The setpoints of those under the limit, so that no more than `most_w` leaves the site."""
    known = all(device.power_w is not None for device in devices)
    discharged = [max(setpoints[n], 0) for n in under]
    if load is None or not known:
        over = sum(discharged)
    else:
        leaves = sum(setpoints) - load.low_w
        over = min(max(leaves - most_w, 0), sum(discharged))
    if not over:
        return [setpoints[n] for n in under]
    weights = {devices[n].device: Fraction(w) for n, w in zip(under, discharged, strict=True)}
    parts = largest_remainder(over, weights)
    return [setpoints[n] - parts[devices[n].device] for n in under]
